// Whatever befalls a list, in the end it shows what the server has, and on the way it never claims more than it knows.

import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createClient } from "../src/client.ts";
import type { ViewSpec, Watch } from "../src/types.ts";
import { FakeBrowser, type FakeTab } from "./browser.ts";
import { FakeServer, pod } from "./server.ts";

const ROUNDS = Number(process.env["FORETOP_LONG"] ?? 0) > 0 ? 400 : 25;
const STEPS = 60;
const LIVE_MS = 25_000;
const KINDS = ["pods", "services"] as const;

beforeEach(() => vi.useFakeTimers());

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

/** Numbers that look random, and are the same each time. */
function randoms(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** One browser's tabs, without workers: so that leaders come and go too. */
class Round {
  readonly server = new FakeServer();
  readonly browser = new FakeBrowser(this.server, createClient, { hasWorkers: false });
  readonly lists: { tab: FakeTab; watch: Watch; spec: ViewSpec }[] = [];
  readonly random: () => number;
  /** When the server was last in reach. */
  truthAt = Date.now();
  isAway = false;

  constructor(seed: number) {
    this.random = randoms(seed);
    vi.spyOn(Math, "random").mockImplementation(this.random);
    for (let count = 0; count < 5; count += 1) this.change();
    for (let count = 0; count < 3; count += 1) this.openTab();
  }

  get living(): FakeTab[] {
    return this.browser.tabs.filter(({ isAlive }) => isAlive);
  }

  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.random() * from.length)] as T;
  }

  openTab(): void {
    const tab = this.browser.open();
    for (const kind of KINDS) {
      const namespaces = this.random() < 0.3 ? ["web"] : [];
      const spec = { cluster: "east", kind, namespaces };
      this.lists.push({ tab, spec, watch: tab.run(() => tab.client.watch(spec, {})) });
    }
  }

  change(): void {
    const number = Math.floor(this.random() * 12);
    const name = `row-${number}`;
    const kind = this.pick(KINDS);
    if (this.random() < 0.3) this.server.remove("east", kind, `uid-${name}`);
    else this.server.put("east", kind, pod(name, { namespace: number % 2 === 0 ? "web" : "shop", restarts: Math.floor(this.random() * 5) }));
  }

  step(): void {
    const chance = this.random();
    if (chance < 0.5) this.change();
    else if (chance < 0.6) this.server.open[0]?.end(new Error("cut"));
    else if (chance < 0.65) this.server.open[0]?.say("bye", undefined, { reason: "max_age", retryMs: 500 });
    else if (chance < 0.7) this.away(!this.isAway);
    else if (chance < 0.75) this.server.faults.elsewhere = !this.server.faults.elsewhere;
    else if (chance < 0.8) this.pick(this.living).hide();
    else if (chance < 0.85) this.pick(this.living).show();
    else if (chance < 0.88 && this.living.length > 1) this.browser.kill(this.pick(this.living));
    else if (chance < 0.91) this.openTab();
    else if (chance < 0.95 && !this.isAway) this.server.beat();
    else if (chance < 0.97) this.server.faults.buffers = this.server.faults.buffers ? undefined : this.pick(["body", "head"] as const);
  }

  away(isAway: boolean): void {
    this.isAway = isAway;
    this.server.faults.away = isAway;
    if (isAway) for (const stream of this.server.open) stream.end(new Error("network"));
  }

  claims(): void {
    if (!this.isAway) this.truthAt = Date.now();
    for (const { tab, watch } of this.lists) {
      if (!tab.isAlive || watch.state.phase !== "live") continue;
      expect(Date.now() - this.truthAt).toBeLessThanOrEqual(LIVE_MS + 100);
      expect(watch.state.complete).toBe(true);
    }
  }

  heal(): void {
    this.away(false);
    this.server.faults.elsewhere = false;
    this.server.faults.buffers = undefined;
    for (const tab of this.living) tab.show();
  }

  /** What is wrong, if anything. */
  difference(): string | undefined {
    for (const { tab, watch, spec } of this.lists) {
      if (!tab.isAlive) continue;
      const { phase, complete } = watch.state;
      const rows = [...this.server.list("east", spec.kind).rows.values()].filter(({ namespace }) => !spec.namespaces?.length || spec.namespaces.includes(namespace ?? ""));
      const [is, should] = [[...watch.rows.values()], rows].map((some) => JSON.stringify([...some].sort((a, b) => a.uid.localeCompare(b.uid))));
      if (!complete || (phase !== "live" && phase !== "polling") || is !== should) return `${JSON.stringify(spec)} is ${phase}, ${complete}: ${is} and not ${should}`;
    }
    return undefined;
  }
}

it("lists show what the server has, whatever befell them", { timeout: 300_000 }, async () => {
  for (let seed = 1; seed <= ROUNDS; seed += 1) {
    const round = new Round(seed);
    await vi.advanceTimersByTimeAsync(500);
    for (let step = 0; step < STEPS; step += 1) {
      round.step();
      await vi.advanceTimersByTimeAsync(round.random() < 0.1 ? 12_000 : round.random() * 800);
      round.claims();
    }
    round.heal();
    for (let tries = 0; tries < 200 && round.difference(); tries += 1) {
      await vi.advanceTimersByTimeAsync(500);
      if (tries % 20 === 0) round.server.beat();
    }
    expect(round.difference(), `seed ${seed}`).toBeUndefined();
    for (const tab of round.living) tab.run(() => tab.client.close());
    vi.unstubAllGlobals();
    vi.clearAllTimers();
  }
});
