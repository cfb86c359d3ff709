// How long to wait before the next attempt.

const FIRST_BOUND_MS = 1_000;
const LAST_BOUND_MS = 30_000;

/** Full jitter below a bound that doubles, and never less than the server asked for. */
export class Backoff {
  readonly #random: () => number;
  #first = FIRST_BOUND_MS;
  #bound = FIRST_BOUND_MS;
  #least = 0;

  constructor(random: () => number = Math.random) {
    this.#random = random;
  }

  /** The server's `retry`: no attempt comes faster from here on, and bounds begin with it. */
  told(retryMs: number): void {
    this.#least = Math.min(Math.max(retryMs, 0), LAST_BOUND_MS);
    this.#first = Math.max(this.#least, FIRST_BOUND_MS);
    this.#bound = Math.max(this.#bound, this.#first);
  }

  /** The least that the server asked for, in milliseconds. */
  get leastMs(): number {
    return this.#least;
  }

  /** Milliseconds until the next attempt; `leastMs` is a refusal's Retry-After. */
  next(leastMs = 0): number {
    const wait = Math.max(this.#random() * this.#bound, this.#least, leastMs);
    this.#bound = Math.min(this.#bound * 2, LAST_BOUND_MS);
    return wait;
  }

  /** It went well. */
  reset(): void {
    this.#bound = this.#first;
  }
}
