// The rows of one list, and how a snapshot takes their place.

import type { Row } from "./types.ts";

/** Who is told of each difference. */
export interface Differences {
  put(row: Row): void;
  removed(uid: string): void;
}

/** Rows by uid. While a snapshot is on its way, the old ones stay until it is whole; where there were none, its rows show at once. */
export class Rows {
  readonly all = new Map<string, Row>();
  readonly #differences: Differences;
  /** The uids that a snapshot under way has brought. */
  #arrived: Set<string> | null = null;

  constructor(differences: Differences) {
    this.#differences = differences;
  }

  begin(): void {
    this.#arrived = new Set();
  }

  put(row: Row): void {
    this.#arrived?.add(row.uid);
    const old = this.all.get(row.uid);
    // Equal rows stay the same object, so that who draws them sees that there is nothing to draw.
    if (old !== undefined && JSON.stringify(old) === JSON.stringify(row)) return;
    this.all.set(row.uid, row);
    this.#differences.put(row);
  }

  remove(uid: string): void {
    this.#arrived?.delete(uid);
    if (this.all.delete(uid)) this.#differences.removed(uid);
  }

  /** The snapshot is whole: what it did not bring is no more. */
  synced(): void {
    const arrived = this.#arrived;
    if (!arrived) return;
    this.#arrived = null;
    this.keepOnly((row) => arrived.has(row.uid));
  }

  keepOnly(isKept: (row: Row) => boolean): void {
    for (const row of this.all.values()) if (!isKept(row)) this.remove(row.uid);
  }

  clear(): void {
    this.#arrived = null;
    this.keepOnly(() => false);
  }
}
