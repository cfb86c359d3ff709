// One view where its rows are kept: for all tabs that show it.

import { steadyClock, type Clock } from "./clock.ts";
import { Freshness } from "./freshness.ts";
import { Gathered } from "./gathered.ts";
import { NOTHING_YET, type News } from "./news.ts";
import { Rows } from "./rows.ts";
import { viewOfKey } from "./spec.ts";
import type { Row, ViewSpec } from "./types.ts";

/** Who shows a view: told of what changes in it. */
export interface Onlooker {
  rows(put: readonly Row[], removed: readonly string[]): void;
  /** The rows are all there now. */
  complete(): void;
  news(news: News): void;
}

/** How long differences are gathered before they are told. */
const GATHER_MS = 50;

/** Where timers are slowed down, as in a hidden tab: after so long, what comes next on the stream tells what is due. */
const OVERDUE_MS = 4 * GATHER_MS;

/** Rows, how far they reach, and who looks at them. */
export class View {
  readonly key: string;
  readonly spec: ViewSpec;
  /** Where a stream goes on. */
  position: string | undefined;
  /** What the server calls the rows that a poll got last. */
  etag: string | null = null;

  readonly onlookers = new Set<Onlooker>();
  readonly #clock: Clock;
  readonly #freshness: Freshness;
  readonly #gathered = new Gathered(() => this.#touch());
  readonly #rows = new Rows(this.#gathered);
  #news: News = NOTHING_YET;
  #isComplete = false;
  #isNewsTold = true;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerSince = 0;

  constructor(key: string, clock: Clock = steadyClock()) {
    this.key = key;
    this.spec = viewOfKey(key);
    this.#clock = clock;
    this.#freshness = new Freshness(clock);
  }

  get rows(): ReadonlyMap<string, Row> {
    return this.#rows.all;
  }

  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** As of now. */
  get news(): News {
    const { ageMs } = this.#freshness;
    return { ...this.#news, complete: this.#isComplete, ageMs: Number.isFinite(ageMs) ? ageMs : null, sentAt: Date.now() };
  }

  /** What is shown of what was asked for. Rows of other namespaces go at once: the right to see them may be lost. */
  scoped(namespaces: readonly string[] | null): void {
    if (namespaces) this.#rows.keepOnly((row) => row.namespace === undefined || namespaces.includes(row.namespace));
    this.#tell({ namespaces });
  }

  /** A snapshot follows, of so many rows. */
  begin(expected?: number): void {
    this.position = undefined;
    this.etag = null;
    this.#rows.begin();
    this.#tell({ phase: "catching_up", expected, code: undefined, message: undefined });
  }

  put(row: Row): void {
    this.#rows.put(row);
  }

  remove(uid: string): void {
    this.#rows.remove(uid);
  }

  /** All rows are there. */
  synced(): void {
    this.#rows.synced();
    this.#tell({ expected: undefined, code: undefined, message: undefined });
    if (this.#isComplete) return;
    // The rows first, so that nobody takes a part for the whole.
    this.flush();
    this.#isComplete = true;
    for (const onlooker of this.onlookers) onlooker.complete();
    this.#tell({});
  }

  /** The cluster was heard of, so long ago; a list is live up to `liveMs` later. */
  heard(phase: News["phase"], ageMs: number, liveMs: number): void {
    this.#freshness.heard(ageMs);
    this.#tell({ phase, liveMs, code: undefined, message: undefined });
  }

  /** How it stands, but not as of when. */
  stands(phase: News["phase"]): void {
    this.#tell({ phase, code: undefined, message: undefined });
  }

  /** Nothing comes any more; it is asked for again. */
  waits(message?: string): void {
    const { phase, message: said } = this.#news;
    if (phase === "denied" || phase === "gone" || (phase === "connecting" && said === message)) return;
    this.#tell({ phase: "connecting", expected: undefined, message });
  }

  /** Not shown, or no longer: nothing of it is kept. */
  denied(phase: "denied" | "gone", code: string, message: string | undefined): void {
    this.position = undefined;
    this.etag = null;
    this.#isComplete = false;
    this.#freshness.forget();
    this.#rows.clear();
    this.#news = { ...NOTHING_YET, phase, code, message };
    this.#tell({});
    this.flush();
  }

  /** Tells what has gathered. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#gathered.isEmpty) {
      const { put, removed } = this.#gathered.take();
      for (const onlooker of this.onlookers) onlooker.rows(put, removed);
    }
    if (this.#isNewsTold) return;
    this.#isNewsTold = true;
    const { news } = this;
    for (const onlooker of this.onlookers) onlooker.news(news);
  }

  /** No more is told. */
  close(): void {
    clearTimeout(this.#timer);
    this.onlookers.clear();
  }

  #tell(news: Partial<News>): void {
    this.#news = { ...this.#news, ...news };
    this.#isNewsTold = false;
    this.#touch();
  }

  #touch(): void {
    if (this.#timer !== undefined) {
      if (this.#clock() - this.#timerSince > OVERDUE_MS) this.flush();
      return;
    }
    this.#timerSince = this.#clock();
    this.#timer = setTimeout(() => this.flush(), GATHER_MS);
  }
}
