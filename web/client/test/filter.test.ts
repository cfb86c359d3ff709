// What a selector selects, and lists for whose selector the server has no room.

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createClient } from "../src/client.ts";
import { filtering } from "../src/filter.ts";
import { selectedBy } from "../src/selector.ts";
import type { Client, State } from "../src/types.ts";
import { FakeServer, pod } from "./server.ts";

describe("a selector", () => {
  const OBJECTS = {
    web: { app: "web", tier: "front" },
    cache: { app: "cache", tier: "" },
    bare: {},
    odd: { "example.com/app": "web", in: "notin" },
  };
  it.each([
    ["", "web cache bare odd"],
    [" \t", "web cache bare odd"],
    ["app=web", "web"],
    [" app == web ", "web"],
    // Who has no such label has another value.
    ["app!=web", "cache bare odd"],
    ["app in (web, cache)", "web cache"],
    ["app in (,web)", "web"],
    ["tier in (,front)", "web cache"],
    ["app notin(web)", "cache bare odd"],
    ["app notin (web,cache)", "bare odd"],
    ["app", "web cache"],
    ["!app", "bare odd"],
    ["! app", "bare odd"],
    ["tier=", "cache"],
    ["tier!=", "web bare odd"],
    ["app,tier=", "cache"],
    ["app=web,app=cache", ""],
    ["app=web,tier!=back", "web"],
    ["example.com/app=web", "odd"],
    ["in in (notin)", "odd"],
    ["in", "odd"],
    ["constructor", ""],
    ["!constructor,toString!=x", "web cache bare odd"],
  ])("%j selects %j", (text, names) => {
    const isSelected = selectedBy(text);
    const selected = Object.entries(OBJECTS).filter(([, labels]) => isSelected(labels));
    expect(selected.map(([name]) => name).join(" ")).toBe(names);
  });

  it.each([",", "a,", "a,,b", "=b", "a in b", "a in (b", "a b", "!a=b", "a=b c", "a==b=c", "a>1", "a IN (b)", "a in (b))"])("%j is none", (text) => {
    expect(() => selectedBy(text)).toThrow("not a label selector");
  });

  it("says the same as one that was never written down", () => {
    const random = generator(7);
    const pick = <T,>(of: readonly T[]): T => of[Math.floor(random() * of.length)] as T;
    const [KEYS, VALUES] = [["app", "tier", "in", "x.io/a"], ["", "web", "notin", "A_1"]];
    for (let round = 0; round < 3_000; round += 1) {
      const terms = Array.from({ length: 1 + Math.floor(random() * 3) }, () => {
        const [key, value, other] = [pick(KEYS), pick(VALUES), pick(VALUES)];
        const is = (labels: Record<string, string>, ...values: string[]) => key in labels && values.includes(labels[key] as string);
        return pick([
          { text: `${key}=${value}`, test: (labels: Record<string, string>) => is(labels, value) },
          { text: `${key} !=${value}`, test: (labels: Record<string, string>) => !is(labels, value) },
          { text: `${key} in (${value},${other})`, test: (labels: Record<string, string>) => is(labels, value, other) },
          { text: `${key} notin ( ${value} , ${other} )`, test: (labels: Record<string, string>) => !is(labels, value, other) },
          { text: key, test: (labels: Record<string, string>) => key in labels },
          { text: `!${key}`, test: (labels: Record<string, string>) => !(key in labels) },
        ]);
      });
      const text = terms.map((term) => term.text).join(pick([",", " , "]));
      const labels: Record<string, string> = {};
      for (const key of KEYS) if (random() < 0.6) labels[key] = pick(VALUES);
      expect(selectedBy(text)(labels), `${text} of ${JSON.stringify(labels)}`).toBe(terms.every(({ test }) => test(labels)));
    }
  });
});

/** Numbers from 0 to 1 that are the same each time. */
function generator(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 16807) % 2147483647) / 2147483647;
}

describe("a list whose selector is one too many", () => {
  let server: FakeServer;
  let client: Client;
  const spec = { cluster: "east", kind: "pods", labelSelector: "app=web" };
  const web = (name: string) => pod(name, { labels: { app: "web" } });
  const passes = (ms: number) => vi.advanceTimersByTimeAsync(ms);

  beforeEach(() => {
    vi.useFakeTimers();
    server = new FakeServer();
    server.hasSelectorsEnough = true;
    server.put("east", "pods", web("a"));
    server.put("east", "pods", pod("b", { labels: { app: "cache" } }));
    client = filtering(createClient({ base: "http://foretop.test", fetch: server.fetch }));
  });

  afterEach(() => {
    client.close();
    vi.useRealTimers();
  });

  function watch(of: Parameters<Client["watch"]>[0]) {
    const states: State[] = [];
    const changes: { put: string[]; removed: readonly string[] }[] = [];
    const watching = client.watch(of, {
      state: (state) => states.push(state),
      changed: ({ put, removed }) => changes.push({ put: put.map(({ name }) => name), removed }),
    });
    return { watching, states, changes, names: () => [...watching.rows.values()].map(({ name }) => name) };
  }

  it("is filtered here, and never denied", async () => {
    const { watching, states, changes, names } = watch(spec);
    await passes(1_000);
    expect(names()).toEqual(["a"]);
    expect(watching.state).toMatchObject({ phase: "live", complete: true });
    expect(states.map(({ phase }) => phase)).not.toContain("denied");
    expect(changes).toEqual([{ put: ["a"], removed: [] }]);
    expect(watching.spec).toEqual(spec);
  });

  it("has rows come and go as their labels do", async () => {
    const { names, changes } = watch(spec);
    await passes(1_000);
    server.put("east", "pods", web("b"));
    await passes(300);
    expect(names()).toEqual(["a", "b"]);
    server.put("east", "pods", pod("a", { labels: {} }));
    await passes(300);
    expect(names()).toEqual(["b"]);
    server.put("east", "pods", pod("c"));
    await passes(300);
    server.remove("east", "pods", "uid-b");
    await passes(300);
    expect(names()).toEqual([]);
    expect(changes.slice(1)).toEqual([
      { put: ["b"], removed: [] },
      { put: [], removed: ["uid-a"] },
      { put: [], removed: ["uid-b"] },
    ]);
  });

  it("is not whole before all rows are there", async () => {
    const { states } = watch(spec);
    await passes(1_000);
    expect(states.filter(({ expected }) => expected !== undefined)).toEqual([]);
    expect(states[0]).toMatchObject({ phase: "connecting", complete: false, code: undefined });
  });

  it("asks the server where there is room", async () => {
    server.hasSelectorsEnough = false;
    watch(spec);
    await passes(1_000);
    expect(server.asked.flat().map(({ labelSelector }) => labelSelector)).toEqual(["app=web"]);
  });

  it("is asked for once in the same way, and polled so", async () => {
    expect((await client.list(spec)).rows.map(({ name }) => name)).toEqual(["a"]);
    server.faults.refuse = () => new Response("", { status: 404 });
    const { watching, names } = watch(spec);
    await passes(20_000);
    expect([names(), watching.state.phase]).toEqual([["a"], "polling"]);
  });

  it("is denied where the list itself is", async () => {
    server.denied.set("east/pods", "forbidden");
    const { watching } = watch(spec);
    await passes(1_000);
    expect(watching.state).toMatchObject({ phase: "denied", code: "forbidden" });
  });
});
