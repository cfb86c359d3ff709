// Asks for lists again and again, where no stream comes through.

import { Backoff } from "./backoff.ts";
import { Refused } from "./refused.ts";
import type { View } from "./view.ts";
import type { Wire } from "./wire.ts";

/** From one answer to the next question, and half as much more at random. */
const EVERY_MS = 4_000;
/** A list that takes long is asked for less often: this many times as long as it took. */
const REST = 4;
/** What polled rows may be old and not be `stale`. */
const FRESH_MS = 25_000;

/** Statuses that say that a list is not shown. */
const DENIALS: Readonly<Record<number, string>> = { 400: "invalid", 403: "forbidden", 404: "not_found" };

/** Who wants to be told. */
export interface PollingOwner {
  signedOut(): void;
}

/** A loop for each view that is wanted. */
export class Polling {
  readonly #wire: Wire;
  readonly #owner: PollingOwner;
  readonly #polled = new Map<View, AbortController>();

  constructor(wire: Wire, owner: PollingOwner) {
    this.#wire = wire;
    this.#owner = owner;
  }

  want(views: ReadonlySet<View>): void {
    for (const [view, abort] of this.#polled) {
      if (views.has(view)) continue;
      abort.abort();
      this.#polled.delete(view);
    }
    for (const view of views) {
      if (this.#polled.has(view)) continue;
      const abort = new AbortController();
      this.#polled.set(view, abort);
      void this.#poll(view, abort.signal);
    }
  }

  close(): void {
    this.want(new Set());
  }

  async #poll(view: View, signal: AbortSignal): Promise<void> {
    const backoff = new Backoff();
    while (!signal.aborted) {
      const began = performance.now();
      let wait = EVERY_MS * (1 + Math.random() / 2);
      try {
        await this.#ask(view, signal);
        backoff.reset();
        wait = Math.max(wait, REST * (performance.now() - began));
      } catch (error) {
        if (signal.aborted) return;
        wait = Math.max(wait, backoff.next(error instanceof Refused ? error.retryAfterMs : 0));
        this.#failed(view, error);
      }
      await slept(wait, signal);
    }
  }

  async #ask(view: View, signal: AbortSignal): Promise<void> {
    const answer = await this.#wire.list(view.spec, view.etag, signal);
    if (signal.aborted) return;
    if ("rows" in answer) {
      view.begin(answer.rows.length);
      view.scoped(answer.namespaces);
      for (const row of answer.rows) view.put(row);
      view.synced();
      view.etag = answer.etag;
    }
    view.heard("polling", "rows" in answer ? answer.ageMs : answer.unchangedAgeMs, FRESH_MS);
  }

  #failed(view: View, error: unknown): void {
    if (!(error instanceof Refused)) return view.waits(error instanceof Error ? error.message : String(error));
    if (error.status === 401) return this.#owner.signedOut();
    const code = DENIALS[error.status] ?? (error.code === "too_many_selectors" && error.code);
    if (code) return view.denied("denied", code, error.message);
    view.waits(error.message);
  }
}

/** Resolves after so many milliseconds, or when it is called off. */
function slept(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}
