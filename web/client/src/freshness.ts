// How old what is shown is, at the most: the rule by which a list may say that it is live.

import type { Clock } from "./clock.ts";

/** When the cluster of one list was last heard of. */
export class Freshness {
  readonly #clock: Clock;
  #heardAt: number | undefined;
  #asOf: number | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** It was heard of so many milliseconds ago. */
  heard(ageMs: number): void {
    this.#heardAt = this.#clock() - ageMs;
    this.#asOf = Date.now() - ageMs;
  }

  forget(): void {
    this.#heardAt = undefined;
    this.#asOf = null;
  }

  /** By this machine's clock, in milliseconds since the Unix epoch. */
  get asOf(): number | null {
    return this.#asOf;
  }

  /** Milliseconds; `Infinity` where it was never heard of. */
  get ageMs(): number {
    return this.#heardAt === undefined ? Infinity : Math.max(this.#clock() - this.#heardAt, 0);
  }
}

/**
 * How long what a stream says was on its way, at the most, without comparing the server's clock with ours.
 *
 * The stream was asked for before the server made its first event. So what the server made some time after that was made, by our
 * clock, no earlier than so long after we asked. What a proxy holds back is thereby seen to be old.
 */
export class Lateness {
  readonly #clock: Clock;
  readonly #askedAt: number;
  #firstMadeAt: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#askedAt = clock();
  }

  /** Milliseconds; `madeAt` is when the event was made, by the server's clock. */
  of(madeAt: number): number {
    if (!Number.isFinite(madeAt)) return 0;
    this.#firstMadeAt ??= madeAt;
    return Math.max(this.#clock() - this.#askedAt - (madeAt - this.#firstMadeAt), 0);
  }
}
