// One list in one tab: its rows, and what may be said of them.

import type { Clock } from "./clock.ts";
import { Freshness } from "./freshness.ts";
import { Gathered } from "./gathered.ts";
import { NOTHING_YET, type News } from "./news.ts";
import { Rows } from "./rows.ts";
import type { Listener, Phase, Row, State, ViewSpec, Watch } from "./types.ts";

/** Of these a list says that it is stale as soon as it is. */
const AGEING: ReadonlySet<Phase> = new Set(["live", "polling", "connecting"]);

/** What `Watch` is. */
export class Watching implements Watch {
  readonly spec: ViewSpec;
  readonly #listener: Listener;
  readonly #onClose: () => void;
  readonly #freshness: Freshness;
  readonly #gathered: Gathered;
  readonly #rows: Rows;
  #news: News = NOTHING_YET;
  #isComplete = false;
  #told: State | undefined;
  #isClosed = false;

  /** `onNews` is called when something is there to be told. */
  constructor(spec: ViewSpec, listener: Listener, clock: Clock, onNews: () => void, onClose: () => void) {
    this.spec = spec;
    this.#listener = listener;
    this.#onClose = onClose;
    this.#freshness = new Freshness(clock);
    this.#gathered = new Gathered(onNews);
    this.#rows = new Rows(this.#gathered);
  }

  get rows(): ReadonlyMap<string, Row> {
    return this.#rows.all;
  }

  get state(): State {
    const { phase, liveMs, namespaces, expected, code, message } = this.#news;
    return {
      phase: this.#phase(phase, liveMs),
      complete: this.#isComplete,
      asOf: this.#freshness.asOf,
      namespaces,
      expected,
      code,
      message,
    };
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onClose();
  }

  /** All rows follow. The old ones stay until the new ones are there. */
  begin(): void {
    this.#rows.begin();
  }

  take(put: readonly Row[], removed: readonly string[]): void {
    for (const uid of removed) this.#rows.remove(uid);
    for (const row of put) this.#rows.put(row);
  }

  done(): void {
    this.#rows.synced();
    this.#isComplete = true;
  }

  hear(news: News): void {
    this.#news = news;
    if (!news.complete) this.#isComplete = false;
    if (news.ageMs === null) this.#freshness.forget();
    // What this tab slept through, or the message was on its way.
    else this.#freshness.heard(news.ageMs + Math.max(Date.now() - news.sentAt, 0));
  }

  /** Where the rows come from is lost for the moment. */
  lost(): void {
    const { phase } = this.#news;
    if (phase !== "denied" && phase !== "gone") this.#news = { ...this.#news, phase: "connecting" };
  }

  /** No row is left, and who listens hears it before this returns. */
  blank(news: News): void {
    this.#rows.clear();
    this.#isComplete = false;
    this.hear(news);
    this.tell();
  }

  /** Tells what is new, if anything is. */
  tell(): void {
    if (this.#isClosed) return;
    if (!this.#gathered.isEmpty) this.#listener.changed?.({ rows: this.rows, ...this.#gathered.take() });
    const { state } = this;
    if (this.#told && isSame(state, this.#told)) return;
    this.#told = state;
    this.#listener.state?.(state);
  }

  #phase(phase: Phase, liveMs: number): Phase {
    if (AGEING.has(phase) && this.#isComplete && this.#freshness.ageMs > liveMs) return "stale";
    const isKnown = this.#isComplete && this.#freshness.asOf !== null;
    return phase === "live" && !isKnown ? "catching_up" : phase;
  }
}

function isSame(one: State, other: State): boolean {
  return (Object.keys(one) as (keyof State)[]).every((key) =>
    key === "namespaces" ? String(one.namespaces) === String(other.namespaces) : one[key] === other[key],
  );
}
