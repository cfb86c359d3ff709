// Differences that are told together.

import type { Differences } from "./rows.ts";
import type { Row } from "./types.ts";

/** What is different since it was last taken: of each row only how it is now. */
export class Gathered implements Differences {
  readonly #put = new Map<string, Row>();
  readonly #removed = new Set<string>();
  readonly #onDifference: () => void;

  /** `onDifference` is called with each difference: something is there to be taken. */
  constructor(onDifference: () => void) {
    this.#onDifference = onDifference;
  }

  put(row: Row): void {
    this.#removed.delete(row.uid);
    this.#put.set(row.uid, row);
    this.#onDifference();
  }

  removed(uid: string): void {
    this.#put.delete(uid);
    this.#removed.add(uid);
    this.#onDifference();
  }

  get isEmpty(): boolean {
    return this.#put.size + this.#removed.size === 0;
  }

  take(): { readonly put: Row[]; readonly removed: string[] } {
    const taken = { put: [...this.#put.values()], removed: [...this.#removed] };
    this.#put.clear();
    this.#removed.clear();
    return taken;
  }
}
