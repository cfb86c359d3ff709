/** An index that says when it has changed, for React to draw it. */

import { useSyncExternalStore } from "react";

import { RowIndex, type Order, type Reading } from "./index.ts";

export class RowStore<R> {
  readonly index: RowIndex<R>;
  #version = 0;
  readonly #watchers = new Set<() => void>();

  constructor(reading: Reading<R>, order: Order<R>) {
    this.index = new RowIndex(reading, order);
  }

  apply(put: readonly R[], removed: readonly string[], now: number): void {
    this.index.apply(put, removed, now);
    this.#changed();
  }

  /** Takes these rows for all that there are; what is equal to what was there stays as it is. */
  replace(rows: readonly R[], id: (row: R) => string, now: number): void {
    const put = rows.filter((row) => !isEqual(this.index.get(id(row))?.row, row));
    const kept = new Set(rows.map(id));
    const removed = this.index.ids().filter((known) => !kept.has(known));
    if (put.length + removed.length > 0) this.apply(put, removed, now);
  }

  sortBy(order: Order<R>): void {
    this.index.sortBy(order);
    this.#changed();
  }

  filterBy(text: string): void {
    this.index.filterBy(text);
    this.#changed();
  }

  readonly subscribe = (watcher: () => void): (() => void) => {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  };

  readonly version = (): number => this.#version;

  #changed(): void {
    this.#version += 1;
    for (const watcher of this.#watchers) watcher();
  }
}

/** Draws again with each change of the store. */
export function useVersion<R>(store: RowStore<R>): number {
  return useSyncExternalStore(store.subscribe, store.version);
}

function isEqual(a: unknown, b: unknown): boolean {
  return a !== undefined && JSON.stringify(a) === JSON.stringify(b);
}
