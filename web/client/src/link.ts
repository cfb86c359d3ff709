// One open stream, from its request to its end, and how it ended.

import type { Clock } from "./clock.ts";
import { Reader, type Hello, type Told } from "./reader.ts";
import { Refused } from "./refused.ts";
import { SseParser } from "./sse.ts";
import type { View } from "./view.ts";
import type { Wire } from "./wire.ts";

/** Why a stream is no more. */
export type End =
  /** The server said so. */
  | { readonly kind: "bye"; readonly reason: string; readonly retryMs: number }
  /** It answered with something else than a stream. */
  | { readonly kind: "refused"; readonly refused: Refused }
  /** Nothing was heard in time: no first event, or no heartbeat. */
  | { readonly kind: "buffered" | "silent" }
  /** Something between has held back what the server said long ago. */
  | { readonly kind: "late" }
  /** It broke off after so long a silence. */
  | { readonly kind: "cut"; readonly silenceMs: number }
  /** There was no answer at all. */
  | { readonly kind: "unreachable"; readonly message: string };

/** Who has a link. */
export interface LinkOwner extends Omit<Told, "bye"> {
  ended(end: End): void;
}

/** A response whose head came says hello at once. */
const HELLO_MS = 3_000;
/** The head comes before anything is asked upstream. */
const HEAD_MS = 5_000;
const TICK_MS = 500;
/** Ticks that come so late were held back themselves: the silence was our own. */
const ASLEEP_MS = 10_000;
/** What a slow network may add to two heartbeats. */
const SLACK_MS = 2_000;
/** A status that was on its way for longer was held back. */
const LATE_MS = 15_000;

/** A stream. It tells its owner once how it ended, unless it was closed. */
export class Link {
  readonly reader: Reader;
  hello: Hello | undefined;
  readonly #wire: Wire;
  readonly #owner: LinkOwner;
  readonly #clock: Clock;
  readonly #abort = new AbortController();
  readonly #parser = new SseParser();
  readonly #timer: ReturnType<typeof setInterval>;
  #hasHead = false;
  #heardAt: number;
  #tickedAt: number;
  #isOver = false;

  constructor(wire: Wire, views: ReadonlyMap<string, View>, owner: LinkOwner, clock: Clock) {
    this.#wire = wire;
    this.#owner = owner;
    this.#clock = clock;
    this.#heardAt = this.#tickedAt = clock();
    this.reader = new Reader(
      {
        hello: (hello) => {
          this.hello = hello;
          owner.hello(hello);
        },
        denied: (view, code, message) => owner.denied(view, code, message),
        synced: (view) => owner.synced(view),
        bye: (reason, retryMs) => this.#end({ kind: "bye", reason, retryMs }),
      },
      clock,
    );
    for (const [ref, view] of views) this.reader.add(ref, view);
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    void this.#run();
  }

  /** The last `retry:`, in milliseconds. */
  get retryMs(): number | undefined {
    return this.#parser.retryMs;
  }

  /** Adds and removes views. Rejects with a `Refused`, or as `fetch` does. */
  async change(add: ReadonlyMap<string, View>, remove: readonly string[]): Promise<void> {
    for (const ref of remove) this.reader.remove(ref);
    for (const [ref, view] of add) this.reader.add(ref, view);
    await this.#wire.changeViews(this.hello?.stream ?? "", asked(add), remove, this.#abort.signal);
  }

  /** Without a word to its owner. */
  close(): void {
    this.#isOver = true;
    clearInterval(this.#timer);
    this.#abort.abort();
  }

  async #run(): Promise<void> {
    try {
      const response = await this.#wire.openStream(asked(this.reader.views), this.#abort.signal);
      this.#hasHead = true;
      this.#heardAt = this.#clock();
      const bytes = response.body?.getReader();
      for (let piece = await bytes?.read(); piece && !piece.done && !this.#isOver; piece = await bytes?.read()) this.#heard(piece.value);
      this.#end({ kind: "cut", silenceMs: this.#clock() - this.#heardAt });
    } catch (error) {
      this.#end(this.#endOf(error));
    }
  }

  #heard(bytes: Uint8Array): void {
    this.#heardAt = this.#clock();
    for (const event of this.#parser.push(bytes)) {
      if (this.#isOver) return;
      this.reader.apply(event);
    }
    if (this.reader.lateMs > LATE_MS) this.#end({ kind: "late" });
  }

  #endOf(error: unknown): End {
    if (error instanceof Refused) return { kind: "refused", refused: error };
    if (this.#hasHead) return { kind: "cut", silenceMs: this.#clock() - this.#heardAt };
    return { kind: "unreachable", message: error instanceof Error ? error.message : String(error) };
  }

  #tick(): void {
    const now = this.#clock();
    const isAwake = now - this.#tickedAt < ASLEEP_MS;
    this.#tickedAt = now;
    const waitsFor = this.#patienceMs();
    if (now - this.#heardAt <= waitsFor) return;
    if (!isAwake) return this.#end({ kind: "unreachable", message: "this machine was asleep" });
    this.#end({ kind: this.hello ? "silent" : "buffered" });
  }

  #patienceMs(): number {
    if (this.hello) return 2 * this.hello.heartbeatMs + SLACK_MS;
    return this.#hasHead ? HELLO_MS : HEAD_MS;
  }

  #end(end: End): void {
    if (this.#isOver) return;
    this.close();
    this.#owner.ended(end);
  }
}

function asked(views: ReadonlyMap<string, View>) {
  return [...views].map(([ref, { spec, position }]) => ({ ref, ...spec, ...(position !== undefined && { position }) }));
}
