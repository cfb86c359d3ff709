// The tab's side: its lists, fed from the place where rows are kept.

import { steadyClock, type Clock } from "./clock.ts";
import { Frames } from "./frames.ts";
import { MESSAGES, type Ending, type TabPort, type ToTab } from "./messages.ts";
import { NOTHING_YET } from "./news.ts";
import { viewKey } from "./spec.ts";
import type { Health, Listener, ViewSpec } from "./types.ts";
import { Watching } from "./watching.ts";

/** How often a list looks at its own age, in milliseconds. */
const LOOK_MS = 1_000;

/** What a tab says of itself when it comes. */
export interface Introduction {
  readonly base: string;
  readonly session: string;
  readonly lock: string | null;
  readonly visible: boolean;
}

/** Who has the tab's side. */
export interface TabOwner {
  health(health: Omit<Health, "home">): void;
  ended(why: Ending): void;
}

/** All that this tab watches. */
export class TabSide {
  readonly #owner: TabOwner;
  readonly #clock: Clock;
  readonly #watches = new Map<number, Watching>();
  readonly #frames = new Frames(() => this.#tell());
  #port: TabPort | undefined;
  #ids = 0;
  #looking: ReturnType<typeof setInterval> | undefined;

  constructor(owner: TabOwner, clock: Clock = steadyClock()) {
    this.#owner = owner;
    this.#clock = clock;
  }

  watch(spec: ViewSpec, listener: Listener): Watching {
    const id = (this.#ids += 1);
    const watching = new Watching(
      spec,
      listener,
      this.#clock,
      () => this.#frames.ask(),
      () => this.#close(id),
    );
    this.#watches.set(id, watching);
    this.#looking ??= setInterval(() => this.#tell(), LOOK_MS);
    this.#port?.send({ t: "watch", id, key: viewKey(spec) });
    this.#frames.ask();
    return watching;
  }

  /** From here on rows come from there. */
  connect(port: TabPort, me: Introduction): void {
    // The same line can lead to another home.
    if (port !== this.#port) this.disconnect();
    this.#port = port;
    port.receive = (message) => {
      if (port === this.#port) this.#hear(message);
    };
    port.send({ t: "join", v: MESSAGES, ...me });
    for (const [id, { spec }] of this.#watches) port.send({ t: "watch", id, key: viewKey(spec) });
  }

  /** Nothing comes any more. Rows stay, and age. */
  disconnect(): void {
    this.#port?.send({ t: "bye" });
    this.#port = undefined;
    for (const watching of this.#watches.values()) watching.lost();
    this.#frames.ask();
  }

  visible(visible: boolean): void {
    this.#port?.send({ t: "visible", visible });
    if (visible) this.#tell();
  }

  /** Has every tab of this session drop its rows. */
  forget(): void {
    this.#port?.send({ t: "forget" });
  }

  /** Drops every row of this tab before it returns. */
  blank(code?: string, message?: string): void {
    const news = { ...NOTHING_YET, phase: code === undefined ? ("connecting" as const) : ("denied" as const), code, message };
    for (const watching of this.#watches.values()) watching.blank(news);
  }

  /** Looks at each list's age now. */
  look(): void {
    this.#tell();
  }

  close(): void {
    this.disconnect();
    clearInterval(this.#looking);
    this.#watches.clear();
  }

  #hear(message: ToTab): void {
    if (message.t === "health") return this.#owner.health(message.health);
    if (message.t === "ended") return this.#owner.ended(message.why);
    const watching = this.#watches.get(message.id);
    if (!watching) return;
    if (message.t === "begin") watching.begin();
    else if (message.t === "rows") watching.take(message.put, message.removed);
    else if (message.t === "done") watching.done();
    else if (message.t === "news") watching.hear(message.news);
    this.#frames.ask();
  }

  #close(id: number): void {
    this.#watches.delete(id);
    this.#port?.send({ t: "close", id });
    if (this.#watches.size > 0) return;
    clearInterval(this.#looking);
    this.#looking = undefined;
  }

  #tell(): void {
    for (const watching of this.#watches.values()) watching.tell();
  }
}
