// Many tabs of one browser: one connection, whoever keeps it and whoever goes.

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createClient } from "../src/client.ts";
import type { Change, State, ViewSpec } from "../src/types.ts";
import { FakeBrowser, type FakeTab } from "./browser.ts";
import { FakeServer, pod } from "./server.ts";

/** Of the platform: a worker's file is imported in real time. */
const really = setImmediate;
let server: FakeServer;
const spec: ViewSpec = { cluster: "east", kind: "pods" };

beforeEach(() => {
  vi.useFakeTimers();
  server = new FakeServer();
  server.put("east", "pods", pod("a"));
  server.put("east", "pods", pod("b"));
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

const passes = (ms: number) => vi.advanceTimersByTimeAsync(ms);

function watch(tab: FakeTab, of = spec) {
  const states: State[] = [];
  const changes: Change[] = [];
  const watching = tab.run(() => tab.client.watch(of, { state: (state) => states.push(state), changed: (change) => changes.push({ ...change }) }));
  return { watching, states, changes, names: () => [...watching.rows.values()].map(({ name }) => name) };
}

async function settles(isSo: () => boolean): Promise<void> {
  for (let tries = 0; tries < 200 && !isSo(); tries += 1) {
    await passes(50);
    await new Promise((resolve) => really(resolve));
  }
}

describe.each([
  { home: "worker", options: {} },
  { home: "leader", options: { hasWorkers: false } },
])("rows that are kept by a $home", ({ home, options }) => {
  it("are asked for once for all tabs", async () => {
    const browser = new FakeBrowser(server, createClient, options);
    const lists = Array.from({ length: 20 }, () => watch(browser.open()));
    await settles(() => lists.every(({ watching }) => watching.state.phase === "live"));
    expect(server.open).toHaveLength(1);
    expect(lists.every(({ names }) => names().join() === "a,b")).toBe(true);
    expect(browser.tabs[7]?.client.health).toMatchObject({ home, link: "open", views: 1 });
    server.put("east", "pods", pod("c"));
    await passes(200);
    expect(new Set(lists.map(({ names }) => names().join()))).toEqual(new Set(["a,b,c"]));
    expect(server.requests.filter((request) => request === "POST /api/stream")).toHaveLength(1);
  });

  it("are kept for as long as a tab shows them, and not for one that died", async () => {
    const browser = new FakeBrowser(server, createClient, options);
    const [first, second] = [browser.open(), browser.open()];
    const list = watch(first);
    await settles(() => list.watching.state.phase === "live");
    const other = watch(second, { cluster: "east", kind: "services" });
    await settles(() => other.watching.state.phase === "live");
    expect(server.open[0]?.views.size).toBe(2);
    browser.kill(second);
    await passes(15_000);
    expect(server.open).toHaveLength(1);
    expect(server.open[0]?.views.size).toBe(1);
  });

  it("are not listened to while all tabs are hidden, and come back with what changed", async () => {
    const browser = new FakeBrowser(server, createClient, options);
    const [first, second] = [browser.open(), browser.open()];
    const lists = [watch(first), watch(second)];
    await settles(() => lists.every(({ watching }) => watching.state.phase === "live"));
    first.hide();
    await passes(10_000);
    expect(server.open).toHaveLength(1);
    second.hide();
    await passes(4_000);
    expect(server.open).toHaveLength(1);
    await passes(2_000);
    expect(server.open).toHaveLength(0);
    server.put("east", "pods", pod("c"));
    await passes(60_000);
    expect(lists[0]?.watching.state).toMatchObject({ phase: "stale", complete: true });
    second.show();
    await passes(300);
    expect(server.asked.at(-1)?.[0]?.position).toBe("102");
    expect(lists[1]?.names()).toEqual(["a", "b", "c"]);
    expect(lists[1]?.watching.state.phase).toBe("live");
    expect(lists[1]?.changes.at(-1)?.put).toHaveLength(1);
  });

  it("are told to a hidden tab when it is seen again, and not before", async () => {
    const browser = new FakeBrowser(server, createClient, options);
    const [first, second] = [browser.open(), browser.open()];
    const lists = [watch(first), watch(second)] as const;
    await settles(() => lists.every(({ watching }) => watching.state.phase === "live"));
    second.hide();
    await passes(6_000);
    for (const name of ["c", "d", "e"]) server.put("east", "pods", pod(name));
    server.remove("east", "pods", "uid-d");
    server.remove("east", "pods", "uid-a");
    await passes(1_000);
    expect([lists[0].names(), lists[1].names()]).toEqual([["b", "c", "e"], ["b"]]);
    second.show();
    await passes(200);
    expect([lists[1].names(), lists[1].watching.state.phase]).toEqual([["b", "c", "e"], "live"]);
    expect(lists[1].changes.slice(1).map(({ put, removed }) => [put.length, removed])).toEqual([[0, ["uid-a"]], [2, []]]);
  });

  it("are never those of another: who signs in drops them in all tabs", async () => {
    const browser = new FakeBrowser(server, createClient, options);
    const lists = [watch(browser.open()), watch(browser.open())];
    await settles(() => lists.every(({ watching }) => watching.state.phase === "live"));
    server.session = "tag-b";
    server.list("east", "pods").rows.clear();
    const late = watch(browser.open());
    await settles(() => [...lists, late].every(({ watching }) => watching.state.phase === "live"));
    await passes(2_000);
    for (const { names, watching } of [...lists, late]) expect([names(), watching.state.phase, watching.state.complete]).toEqual([[], "live", true]);
    // Nobody of the first session is left to listen.
    expect(server.open).toHaveLength(1);
  });

  it("are dropped at once where a tab says that somebody signs out, and stay away until somebody turns to the tab", async () => {
    const browser = new FakeBrowser(server, createClient, options);
    const [first, second] = [browser.open(), browser.open()];
    const lists = [watch(first), watch(second)];
    await settles(() => lists.every(({ watching }) => watching.state.phase === "live"));
    first.run(() => first.client.forget());
    expect(lists[0]?.names()).toEqual([]);
    await passes(0);
    expect(lists[1]?.names()).toEqual([]);
    expect(lists[1]?.watching.state).toMatchObject({ phase: "denied", code: "unauthenticated" });
    server.session = null;
    const before = server.requests.length;
    await passes(600_000);
    expect(server.requests).toHaveLength(before);
    server.session = "tag-b";
    second.run(() => second.window.fire("focus"));
    await settles(() => lists.every(({ watching }) => watching.state.phase === "live"));
    expect(lists.map(({ names }) => names().join())).toEqual(["a,b", "a,b"]);
  });

  it("are dropped in every tab when the session ends", async () => {
    const browser = new FakeBrowser(server, createClient, options);
    const lists = [watch(browser.open()), watch(browser.open())];
    await settles(() => lists.every(({ watching }) => watching.state.phase === "live"));
    server.session = null;
    server.open[0]?.say("bye", undefined, { reason: "auth_expired", retryMs: 0 });
    await passes(200);
    expect(lists.map(({ names }) => names())).toEqual([[], []]);
    await passes(5_000);
    expect(lists.map(({ watching }) => watching.state.code)).toEqual(["unauthenticated", "unauthenticated"]);
    const before = server.requests.length;
    await passes(600_000);
    expect(server.requests).toHaveLength(before);
  });

  it("are blank when a tab comes back that the browser had put aside, until it is known whose they are", async () => {
    const browser = new FakeBrowser(server, createClient, options);
    const tab = browser.open();
    const list = watch(tab);
    await settles(() => list.watching.state.phase === "live");
    tab.run(() => tab.window.fire("pagehide"));
    await passes(30_000);
    expect(server.open).toHaveLength(0);
    tab.run(() => tab.window.fire("pageshow", { persisted: true }));
    expect(list.names()).toEqual([]);
    await settles(() => list.watching.state.phase === "live");
    expect(list.names()).toEqual(["a", "b"]);
  });
});

describe("a leader tab", () => {
  const options = { hasWorkers: false };

  it("that dies is followed by the next, and no list loses a row", async () => {
    const browser = new FakeBrowser(server, createClient, options);
    const tabs = [browser.open(), browser.open(), browser.open()] as const;
    const lists = tabs.map((tab) => watch(tab));
    await settles(() => lists.every(({ watching }) => watching.state.phase === "live"));
    const leader = server.open[0]?.owner;
    expect(leader).toBe(tabs[0]);
    browser.kill(tabs[0]);
    server.put("east", "pods", pod("c"));
    server.remove("east", "pods", "uid-a");
    await passes(1_000);
    expect(server.open.map(({ owner }) => owner)).toEqual([tabs[1]]);
    for (const { names, watching, changes } of lists.slice(1)) {
      expect([names(), watching.state.phase]).toEqual([["b", "c"], "live"]);
      expect(changes.slice(1).flatMap(({ removed }) => removed)).toEqual(["uid-a"]);
    }
  });

  it("that is closed is followed by the next", async () => {
    const browser = new FakeBrowser(server, createClient, options);
    const tabs = [browser.open(), browser.open()] as const;
    const lists = tabs.map((tab) => watch(tab));
    await settles(() => lists.every(({ watching }) => watching.state.phase === "live"));
    tabs[0].run(() => tabs[0].client.close());
    await passes(1_000);
    expect(server.open.map(({ owner }) => owner)).toEqual([tabs[1]]);
    expect(lists[1]?.watching.state.phase).toBe("live");
  });

  it.each(Array.from({ length: 40 }, (_, seed) => seed))("is found by every tab, whatever overtakes what (%i)", async (seed) => {
    const browser = new FakeBrowser(server, createClient, options);
    let state = seed + 1;
    browser.delayMs = () => 1 + ((state = (state * 16807) % 2147483647) % 20);
    const lists = Array.from({ length: 6 }, () => watch(browser.open()));
    const areLive = () => lists.every(({ watching, names }) => watching.state.phase === "live" && names().join() === "a,b");
    await settles(areLive);
    expect(areLive()).toBe(true);
    // Another session: all move at once.
    server.session = "tag-b";
    server.open[0]?.end();
    await settles(() => server.open.length === 1 && areLive());
    expect(lists.map(({ watching }) => watching.state.phase)).toEqual(lists.map(() => "live"));
    // A tab that was put aside comes back under its old name.
    const [first, second] = browser.tabs as [FakeTab, FakeTab];
    for (const tab of [second, first]) {
      tab.run(() => tab.window.fire("pagehide"));
      tab.run(() => tab.window.fire("pageshow", { persisted: true }));
    }
    await settles(areLive);
    expect(lists.map(({ watching }) => watching.state.phase)).toEqual(lists.map(() => "live"));
    await passes(15_000);
    expect(browser.tabs[3]?.client.health.views).toBe(1);
  });

  it("takes the worker's place where its file is not there", async () => {
    const browser = new FakeBrowser(server, createClient);
    browser.hasWorkerFile = false;
    const lists = [watch(browser.open()), watch(browser.open())];
    await settles(() => lists.every(({ watching }) => watching.state.phase === "live"));
    expect(server.open).toHaveLength(1);
    expect(browser.tabs[0]?.client.health.home).toBe("leader");
  });
});

describe("a tab alone", () => {
  it("has its own connection where there is neither worker nor lock", async () => {
    const browser = new FakeBrowser(server, createClient, { hasWorkers: false, hasLocks: false });
    const lists = [watch(browser.open()), watch(browser.open())];
    await settles(() => lists.every(({ watching }) => watching.state.phase === "live"));
    expect(server.open).toHaveLength(2);
    expect(browser.tabs[0]?.client.health.home).toBe("alone");
  });
});
