import { describe, expect, it } from "vitest";
import { Gathered } from "../src/gathered.ts";
import { Rows } from "../src/rows.ts";
import { viewKey, viewOfKey } from "../src/spec.ts";
import { pod } from "./server.ts";

function rowsWith(...names: string[]) {
  const gathered = new Gathered(() => {});
  const rows = new Rows(gathered);
  for (const name of names) rows.put(pod(name));
  gathered.take();
  return { rows, gathered };
}

describe("rows", () => {
  it("keep the old ones until a snapshot is whole, and then only what it brought", () => {
    const { rows, gathered } = rowsWith("a", "b");
    rows.begin();
    rows.put(pod("b", { phase: "Failed" }));
    rows.put(pod("c"));
    expect([...rows.all.values()].map(({ name }) => name)).toEqual(["a", "b", "c"]);
    rows.synced();
    expect([...rows.all.values()].map(({ name }) => name)).toEqual(["b", "c"]);
    const { put, removed } = gathered.take();
    expect(put.map(({ name }) => name)).toEqual(["b", "c"]);
    expect(removed).toEqual(["uid-a"]);
  });

  it("stay the same object where nothing changed", () => {
    const { rows, gathered } = rowsWith("a");
    const before = rows.all.get("uid-a");
    rows.begin();
    rows.put(pod("a"));
    rows.synced();
    expect(rows.all.get("uid-a")).toBe(before);
    expect(gathered.isEmpty).toBe(true);
  });

  it("tell of a row that came and went only that it went", () => {
    const { rows, gathered } = rowsWith();
    rows.put(pod("a"));
    rows.remove("uid-a");
    rows.remove("uid-never");
    expect(gathered.take()).toEqual({ put: [], removed: ["uid-a"] });
  });

  it("of a snapshot that is interrupted by changes are those after the changes", () => {
    const { rows } = rowsWith("a", "b");
    rows.begin();
    rows.put(pod("a"));
    rows.remove("uid-a");
    rows.put(pod("c"));
    rows.synced();
    expect([...rows.all.keys()]).toEqual(["uid-c"]);
  });
});

describe("views", () => {
  it("are equal whatever the order of their namespaces", () => {
    const one = viewKey({ cluster: "c", kind: "pods", namespaces: ["b", "a", "b"], labelSelector: " a=b " });
    expect(one).toBe(viewKey({ kind: "pods", cluster: "c", labelSelector: "a=b", namespaces: ["a", "b"] }));
    expect(viewOfKey(one)).toEqual({ cluster: "c", kind: "pods", namespaces: ["a", "b"], labelSelector: "a=b" });
    expect(viewOfKey(viewKey({ cluster: "c", kind: "pods", namespaces: [] }))).toEqual({ cluster: "c", kind: "pods" });
  });
});
