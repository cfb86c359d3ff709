import { expect, test, vi } from "vitest";

import { KINDS, kindNamed } from "../kinds/kinds.ts";
import type { Row } from "../kinds/rows.ts";
import { nextOrder, orderOf, readingOf } from "./reading.ts";
import { RowStore } from "./store.ts";

const pods = kindNamed("pods") ?? KINDS[0]!;

function pod(name: string, more: Partial<Row> & Record<string, unknown> = {}): Row {
  const fields = { phase: "Running", ready: "1/1", restarts: 0, createdAt: "2026-11-21T10:00:00Z", labels: {}, owner: null };
  return { ...fields, uid: name, name, namespace: "shop", ...more };
}

function storeOf(order: string, ...rows: readonly Row[]): RowStore<Row> {
  const store = new RowStore(readingOf(pods), orderOf(pods.columns, order));
  store.apply(rows, [], 0);
  return store;
}

const names = ({ index }: RowStore<Row>): string[] => index.slice(0, index.size).map(({ row }) => row.name);

test("without an order rows stand by namespace and name, as kubectl has them", () => {
  expect(names(storeOf("", pod("b"), pod("a"), pod("c", { namespace: "billing" })))).toEqual(["c", "a", "b"]);
});

test("ages are sorted from the youngest, readiness from what lacks most, restarts as numbers", () => {
  const old = pod("old", { createdAt: "2020-01-01T00:00:00Z", ready: "0/3", restarts: 9 });
  const young = pod("young", { createdAt: "2026-11-21T12:00:00Z", ready: "2/3", restarts: 10 });
  expect(names(storeOf("age", old, young))).toEqual(["young", "old"]);
  expect(names(storeOf("-age", young, old))).toEqual(["old", "young"]);
  expect(names(storeOf("ready", young, old))).toEqual(["old", "young"]);
  expect(names(storeOf("-restarts", old, young))).toEqual(["young", "old"]);
  expect(names(storeOf("no-such-column", young, old))).toEqual(["old", "young"]);
});

test("the filter looks into names, columns and labels, and wants every word", () => {
  const store = storeOf("", pod("web-1", { labels: { app: "web", tier: "front" } }), pod("db-1", { phase: "CrashLoopBackOff" }));
  for (const [text, found] of [
    ["WEB", ["web-1"]],
    ["crash", ["db-1"]],
    ["tier=front", ["web-1"]],
    ["shop 1", ["db-1", "web-1"]],
    ["web crash", []],
    ["", ["db-1", "web-1"]],
  ] as const) {
    store.filterBy(text);
    expect(names(store), text).toEqual(found);
  }
});

test("a click on a column's title sorts from the start, from the end, and not at all", () => {
  expect(nextOrder("", "age")).toBe("age");
  expect(nextOrder("age", "age")).toBe("-age");
  expect(nextOrder("-age", "age")).toBe("");
  expect(nextOrder("-age", "name")).toBe("name");
});

test("an answer that is asked for anew changes only what is other than before", () => {
  const store = storeOf("", pod("a"), pod("b"), pod("c"));
  const entry = store.index.get("a");
  const told = vi.fn();
  store.subscribe(told);
  store.replace([pod("a"), pod("b", { restarts: 1 })], (row) => row.uid, 5);
  expect(names(store)).toEqual(["a", "b"]);
  expect(store.index.get("a")).toBe(entry);
  expect(store.index.get("b")?.changedAt).toBe(5);
  expect(told).toHaveBeenCalledTimes(1);
  store.replace([pod("a"), pod("b", { restarts: 1 })], (row) => row.uid, 6);
  expect(told).toHaveBeenCalledTimes(1);
});
