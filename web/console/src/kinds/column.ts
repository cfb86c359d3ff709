/**
 * What a column of a table is: a title, a width that no row changes, and how a row reads in it.
 *
 * A cell's text is what is shown, what the filter searches, and what a change is noticed by. A cell that follows the clock has a time in place of a text.
 */

/** How a cell's content is meant. Shown by a mark and by colour, never by colour alone. */
export type Tone = "ok" | "busy" | "warn" | "bad" | "off";

/** What rows are sorted by: in a column all of one sort. */
export type Key = string | number;

export interface Column<R> {
  /** Unique in its table; in the page's address it names the order. */
  readonly id: string;
  readonly title: string;
  /** In pixels; with `grow`, the least. */
  readonly width: number;
  /** Which part of the room that is left it takes. */
  readonly grow?: number;
  /** Numbers stand at the end. */
  readonly end?: boolean;
  /** Shown on a phone, too. */
  readonly always?: boolean;
  readonly text: (row: R) => string;
  /** What the rows are sorted by, where that is not the text. */
  readonly key?: (row: R) => Key;
  readonly tone?: (row: R) => Tone | undefined;
  /** A moment (RFC 3339), shown as how long ago it is. */
  readonly since?: (row: R) => string | undefined;
  /** A second line on a phone, where other columns are not shown. */
  readonly below?: (row: R) => string | undefined;
  /** Where a click on the text leads. */
  readonly link?: (row: R) => string | undefined;
}

/** What rows are sorted by in this column. */
export function sortKey<R>(column: Column<R>): (row: R) => Key {
  const { key, since, text } = column;
  if (key) return key;
  if (since) return (row) => -moment(since(row));
  return text;
}

/** Milliseconds since the epoch; before everything where there is none. */
export function moment(time: string | undefined): number {
  const at = time === undefined ? Number.NaN : Date.parse(time);
  return Number.isNaN(at) ? Number.NEGATIVE_INFINITY : at;
}

const SUFFIXES: Readonly<Record<string, number>> = {
  n: 1e-9, u: 1e-6, m: 1e-3, k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18,
  Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30, Ti: 2 ** 40, Pi: 2 ** 50, Ei: 2 ** 60,
  KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30, B: 1, cores: 1,
};

/** A Kubernetes quantity, or one that is written for people, as a number. What is none comes before all. */
export function amount(quantity: string | undefined): number {
  const parts = /^([+-]?[\d.]+(?:e[+-]?\d+)?)\s*([A-Za-z]*)$/.exec(quantity ?? "");
  const [, digits, suffix] = parts ?? [];
  const unit = suffix ? SUFFIXES[suffix] : 1;
  const number = Number(digits) * (unit ?? Number.NaN);
  return Number.isNaN(number) ? Number.NEGATIVE_INFINITY : number;
}

const SECONDS: Readonly<Record<string, number>> = { d: 86_400, h: 3600, m: 60, s: 1 };

/** A duration such as `2d3h` or `5m10s` in seconds. What is none comes before all. */
export function seconds(duration: string | undefined): number {
  const parts = [...(duration ?? "").matchAll(/(\d+)([dhms])/g)];
  if (parts.length === 0) return Number.NEGATIVE_INFINITY;
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * (SECONDS[unit ?? ""] ?? 0), 0);
}

/** `n/m` as how much is missing, so that what lacks most comes first. */
export function missing(have: number, want: number): number {
  return have - want;
}
