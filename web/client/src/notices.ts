// What all tabs of this origin hear, whoever is signed in: that the session is another one.

/** `session` is the tag that a tab has just learnt, or `null`: everybody drops everything. */
export interface Notice {
  readonly session: string | null;
}

/** Calls back with what other tabs say. */
export class Notices {
  readonly #channel: BroadcastChannel | undefined;

  constructor(name: string, hear: (notice: Notice) => void) {
    if (typeof BroadcastChannel === "undefined") return;
    this.#channel = new BroadcastChannel(name);
    this.#channel.onmessage = ({ data }: MessageEvent<Notice>) => hear(data);
  }

  say(notice: Notice): void {
    this.#channel?.postMessage(notice);
  }

  close(): void {
    this.#channel?.close();
  }
}
