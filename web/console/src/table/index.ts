/**
 * The rows of a table in their order, as far as the filter lets them through; kept up incrementally.
 *
 * Invariants: what is shown is what sorting and filtering all rows from scratch would show; the order is total (key, then name, then id), so that a row
 * has one place. A few changes cost a binary search and a move each; many are merged in one pass. Entries never change: a new one takes the old one's
 * place, so that whoever draws them sees by identity what is new.
 */

import type { Key } from "../kinds/column.ts";

/** A row in its place. */
export interface Entry<R> {
  readonly id: string;
  readonly row: R;
  readonly key: Key;
  /** What decides between equal keys. */
  readonly tie: string;
  /** What was there before the last change; `null` for a row that has come by itself. */
  readonly before: R | null;
  /** When it last changed, by `performance.now`; 0: it came with the list. */
  readonly changedAt: number;
  readonly isShown: boolean;
}

/** What an index has to know of its rows. */
export interface Reading<R> {
  readonly id: (row: R) => string;
  /** Shown before what is greater, among equals. */
  readonly tie: (row: R) => string;
  /** What the filter searches, in lower case. */
  readonly haystack: (row: R) => string;
}

export interface Order<R> {
  readonly key: (row: R) => Key;
  readonly descending: boolean;
}

/** Up to so many changes are put in one by one. */
const FEW = 64;

export class RowIndex<R> {
  readonly #reading: Reading<R>;
  readonly #entries = new Map<string, Entry<R>>();
  /** What the filter has searched, by id. */
  readonly #haystacks = new Map<string, string>();
  #shown: Entry<R>[] = [];
  #order: Order<R>;
  #words: readonly string[] = [];

  constructor(reading: Reading<R>, order: Order<R>) {
    this.#reading = reading;
    this.#order = order;
  }

  /** How many rows are shown. */
  get size(): number {
    return this.#shown.length;
  }

  /** How many rows there are, shown or not. */
  get total(): number {
    return this.#entries.size;
  }

  at(place: number): Entry<R> | undefined {
    return this.#shown[place];
  }

  slice(from: number, to: number): Entry<R>[] {
    return this.#shown.slice(from, to);
  }

  get(id: string): Entry<R> | undefined {
    return this.#entries.get(id);
  }

  /** All rows' ids, shown or not. */
  ids(): string[] {
    return [...this.#entries.keys()];
  }

  /** Where a row is shown; -1: nowhere. */
  placeOf(id: string): number {
    const entry = this.#entries.get(id);
    return entry?.isShown ? this.#find(entry) : -1;
  }

  /** Sorts anew. */
  sortBy(order: Order<R>): void {
    this.#order = order;
    this.#rebuild((entry) => ({ ...entry, key: order.key(entry.row) }));
  }

  /** Shows only the rows that hold each of these words. */
  filterBy(text: string): void {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.join(" ") === this.#words.join(" ")) return;
    this.#words = words;
    if (words.length === 0) this.#haystacks.clear();
    this.#rebuild((entry) => {
      const isShown = this.#admits(entry.id, entry.row);
      return isShown === entry.isShown ? entry : { ...entry, isShown };
    });
  }

  /** New and changed rows, and the ids of those that are no more. `now`: 0 if they are no change but the list itself. */
  apply(put: readonly R[], removed: readonly string[], now: number): void {
    const leaving: Entry<R>[] = [];
    const coming: Entry<R>[] = [];
    const isFew = put.length + removed.length <= FEW;
    const replaced: Entry<R>[] = [];
    for (const id of removed) {
      const before = this.#entries.get(id);
      if (!before) continue;
      this.#entries.delete(id);
      this.#haystacks.delete(id);
      if (!before.isShown) continue;
      if (isFew) this.#takeOut(before);
      else leaving.push(before);
    }
    for (const row of put) {
      const id = this.#reading.id(row);
      const before = this.#entries.get(id);
      const after = this.#entry(id, row, before, now);
      this.#entries.set(id, after);
      if (isFew) this.#move(before, after);
      else if (before?.isShown) replaced.push(before);
    }
    if (isFew) return;
    // A row that is put twice counts as it was put last.
    for (const id of new Set(put.map(this.#reading.id))) {
      const entry = this.#entries.get(id);
      if (entry?.isShown) coming.push(entry);
    }
    this.#merge(new Set([...leaving, ...replaced]), coming);
  }

  #entry(id: string, row: R, before: Entry<R> | undefined, now: number): Entry<R> {
    this.#haystacks.delete(id);
    return {
      id,
      row,
      key: this.#order.key(row),
      tie: this.#reading.tie(row),
      before: before?.row ?? null,
      changedAt: now,
      isShown: this.#admits(id, row),
    };
  }

  #admits(id: string, row: R): boolean {
    if (this.#words.length === 0) return true;
    let haystack = this.#haystacks.get(id);
    if (haystack === undefined) {
      haystack = this.#reading.haystack(row);
      this.#haystacks.set(id, haystack);
    }
    const searched = haystack;
    return this.#words.every((word) => searched.includes(word));
  }

  #rebuild(change: (entry: Entry<R>) => Entry<R>): void {
    const shown: Entry<R>[] = [];
    for (const [id, entry] of this.#entries) {
      const changed = change(entry);
      if (changed !== entry) this.#entries.set(id, changed);
      if (changed.isShown) shown.push(changed);
    }
    this.#shown = shown.sort(this.#compare);
  }

  readonly #compare = (a: Entry<R>, b: Entry<R>): number => {
    if (a.key !== b.key) return a.key < b.key === this.#order.descending ? 1 : -1;
    if (a.tie !== b.tie) return a.tie < b.tie ? -1 : 1;
    if (a.id !== b.id) return a.id < b.id ? -1 : 1;
    return 0;
  };

  /** Where this entry, or one in its place, stands; -1: nowhere. */
  #find(entry: Entry<R>): number {
    const place = this.#placeFor(entry);
    return this.#shown[place]?.id === entry.id ? place : -1;
  }

  /** Before which one it belongs. */
  #placeFor(entry: Entry<R>): number {
    let low = 0;
    let high = this.#shown.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#shown[middle];
      if (other && this.#compare(other, entry) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #takeOut(entry: Entry<R>): void {
    const place = this.#find(entry);
    if (place >= 0) this.#shown.splice(place, 1);
  }

  #move(before: Entry<R> | undefined, after: Entry<R>): void {
    const staysInPlace = before?.isShown && after.isShown && this.#compare(before, after) === 0;
    if (before && staysInPlace) {
      this.#shown[this.#find(before)] = after;
      return;
    }
    if (before?.isShown) this.#takeOut(before);
    if (after.isShown) this.#shown.splice(this.#placeFor(after), 0, after);
  }

  #merge(leaving: ReadonlySet<Entry<R>>, coming: Entry<R>[]): void {
    coming.sort(this.#compare);
    const merged: Entry<R>[] = [];
    let next = 0;
    for (const entry of this.#shown) {
      if (leaving.has(entry)) continue;
      for (let first = coming[next]; first && this.#compare(first, entry) < 0; first = coming[next]) {
        merged.push(first);
        next += 1;
      }
      merged.push(entry);
    }
    this.#shown = merged.concat(coming.slice(next));
  }
}
