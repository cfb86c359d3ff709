// One list of one tab, seen from where the rows are kept.

import type { HomePort } from "./messages.ts";
import type { News } from "./news.ts";
import type { Row } from "./types.ts";
import type { Onlooker, View } from "./view.ts";

/** So many rows go in one message, so that taking them in is no long task. */
const ROWS_PER_MESSAGE = 500;

/**
 * Tells a tab of a view. While the tab is hidden it is told of no new rows, and afterwards of those that are different then. That rows went it is told
 * at once: somebody may have lost the right to see them, and the tab is drawn before it can ask.
 */
export class Showing implements Onlooker {
  readonly view: View;
  readonly #port: HomePort;
  readonly #id: number;
  readonly #missed = new Map<string, Row>();
  #isTold: boolean;
  #isCompleteTold = false;

  constructor(view: View, port: HomePort, id: number, isVisible: boolean) {
    this.view = view;
    this.#port = port;
    this.#id = id;
    this.#isTold = isVisible;
    // What was not told yet is in the rows that follow.
    view.flush();
    port.send({ t: "begin", id });
    // How it stands before what is in it: no frame shows rows beside what was said of the list before.
    this.#sendNews(view.news);
    this.#sendRows([...view.rows.values()], []);
    if (view.isComplete) this.#done();
    view.onlookers.add(this);
  }

  close(): void {
    this.view.onlookers.delete(this);
  }

  visible(isVisible: boolean): void {
    this.#isTold = isVisible;
    if (!isVisible) return;
    this.#sendRows([...this.#missed.values()], []);
    this.#missed.clear();
    if (this.view.isComplete && !this.#isCompleteTold) this.#done();
    this.#sendNews(this.view.news);
  }

  rows(put: readonly Row[], removed: readonly string[]): void {
    if (this.#isTold) return this.#sendRows(put, removed);
    this.#sendRows([], removed);
    for (const uid of removed) this.#missed.delete(uid);
    for (const row of put) this.#missed.set(row.uid, row);
  }

  complete(): void {
    if (this.#isTold) this.#done();
  }

  news(news: News): void {
    if (!news.complete) this.#isCompleteTold = false;
    if (this.#isTold || news.phase === "denied") this.#sendNews(news);
  }

  #done(): void {
    this.#isCompleteTold = true;
    this.#port.send({ t: "done", id: this.#id });
  }

  #sendNews(news: News): void {
    this.#port.send({ t: "news", id: this.#id, news });
  }

  #sendRows(put: readonly Row[], removed: readonly string[]): void {
    if (removed.length > 0) this.#port.send({ t: "rows", id: this.#id, put: [], removed });
    for (let from = 0; from < put.length; from += ROWS_PER_MESSAGE) {
      this.#port.send({ t: "rows", id: this.#id, put: put.slice(from, from + ROWS_PER_MESSAGE), removed: [] });
    }
  }
}
