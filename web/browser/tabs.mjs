// A browser of many tabs, and what must hold of them all.

import assert from "node:assert/strict";
import { eventually, passProvider, pause } from "../../tests/browser/steps.mjs";
import { CLUSTER } from "./house.mjs";

/** What every tab shows. */
export const LISTS = [
  { cluster: CLUSTER, kind: "pods" },
  { cluster: CLUSTER, kind: "services" },
  { cluster: CLUSTER, kind: "nodes" },
  { cluster: CLUSTER, kind: "namespaces" },
];

/** What the server promises, and what a test's own looking may take beside it. */
const LIVE_MS = 25_000;
const SLACK_MS = 1_500;

/** Tabs of one browser, which share cookies and workers. */
export class Tabs {
  constructor(context, url) {
    this.context = context;
    this.url = url;
    this.pages = [];
    /** What some tab claimed beyond what may be claimed. */
    this.lies = [];
  }

  async signIn(user) {
    const page = await this.context.newPage();
    await page.goto(`${this.url}/sign-in?user=${user}`);
    await page.close();
  }

  /** By a provider's own pages. */
  async signInAtProvider(user) {
    const page = await this.context.newPage();
    await page.goto(`${this.url}/api/auth/login?returnTo=/api/features`);
    await passProvider(page, this.url, user);
    await page.close();
  }

  async open(lists = LISTS, hash = "") {
    const page = await this.context.newPage();
    page.on("pageerror", (error) => this.lies.push(`an error in a page: ${error.message}`));
    await page.goto(`${this.url}/?lists=${encodeURIComponent(JSON.stringify(lists))}${hash}`);
    this.pages.push(page);
    return page;
  }

  async openMany(count, lists = LISTS) {
    for (let opened = 0; opened < count; opened += 5) {
      await Promise.all(Array.from({ length: Math.min(5, count - opened) }, () => this.open(lists)));
    }
  }

  async close(page) {
    this.pages = this.pages.filter((other) => other !== page);
    await page.close();
  }

  /** Ends a tab's process, without a word to the page. */
  async kill(page) {
    this.pages = this.pages.filter((other) => other !== page);
    const session = await this.context.newCDPSession(page);
    const crashed = page.waitForEvent("crash");
    // There is nobody left to answer.
    session.send("Page.crash").catch(() => {});
    await crashed;
  }

  /** Stops a tab as a browser does with one that nobody has looked at for long. Returns what lets it go on. */
  async freeze(page) {
    const session = await this.context.newCDPSession(page);
    await session.send("Page.setWebLifecycleState", { state: "frozen" });
    return () => session.send("Page.setWebLifecycleState", { state: "active" });
  }

  claims() {
    return Promise.all(this.pages.map((page) => page.evaluate(() => window.lists.claims())));
  }

  /** Waits until every list of every tab is in one of these phases, and whole. */
  async are(phases, patience) {
    await eventually(
      `every list is ${phases}`,
      async () => {
        const claims = (await this.claims()).flat();
        const others = claims.filter(({ phase, complete }) => !phases.includes(phase) || !complete);
        return others.length === 0 || { others: others.length, of: claims.length, first: others[0], health: await this.health() };
      },
      patience,
    );
  }

  /** Waits until no tab shows a row, or says anything but that nobody is signed in. */
  async areBlank(patience) {
    const isBlank = ({ rows, code }) => rows === 0 && code === "unauthenticated";
    await eventually("every tab is blank", async () => (await this.claims()).flat().every(isBlank), patience);
  }

  health() {
    return this.pages[0].evaluate(() => window.lists.client.health);
  }

  /** No frame showed a list's rows beside the word that nobody is signed in. */
  async neverDrewWhatWasOver() {
    for (const page of this.pages) {
      const frames = await page.evaluate(() => window.lists.frames());
      assert.deepEqual(frames.filter(({ showsWhatIsOver }) => showsWhatIsOver), []);
    }
  }

  /** Looks again and again, as long as `work` takes, whether a tab says live that may not. `truth` is when the source was last heard of, at the latest. */
  async honest(work, truth = () => Date.now()) {
    let isOver = false;
    const watch = async () => {
      while (!isOver) {
        const before = Date.now();
        for (const { phase, asOf } of (await this.claims().catch(() => [])).flat()) {
          if (phase !== "live") continue;
          if (before - asOf > LIVE_MS + SLACK_MS) this.lies.push(`live, and as of ${before - asOf} ms ago`);
          if (before - truth() > LIVE_MS + SLACK_MS) this.lies.push(`live ${before - truth()} ms after the truth`);
        }
        await pause(500);
      }
    };
    const watching = watch();
    try {
      return await work();
    } finally {
      isOver = true;
      await watching;
    }
  }

  /** Every tab shows exactly what the clusters hold and its user may see, and none has lied. */
  async equalSource(house, lists = LISTS, isSeen = undefined) {
    assert.deepEqual(this.lies, []);
    await house.churns(false);
    try {
      await eventually("every tab's rows are the source's", async () => {
        const sources = await Promise.all(lists.map(({ kind }) => house.source(kind, isSeen)));
        const shown = await Promise.all(this.pages.map((page) => page.evaluate(() => window.lists.rows())));
        for (const [tab, lists] of shown.entries()) {
          for (const [list, rows] of lists.entries()) {
            const wrong = difference(sources[list], rows);
            if (wrong) return { tab, list, wrong };
          }
        }
        return true;
      });
    } finally {
      await house.churns(true);
    }
  }
}

function difference(source, rows) {
  if (source.size !== rows.length) return `${rows.length} rows of ${source.size}`;
  for (const { uid, name, labels } of rows) {
    const object = source.get(uid);
    if (!object || object.name !== name) return `${name} is not there`;
    if (JSON.stringify(sorted(object.labels)) !== JSON.stringify(sorted(labels))) return `${name} has other labels`;
  }
  return undefined;
}

const sorted = (labels) => Object.entries(labels).sort();
