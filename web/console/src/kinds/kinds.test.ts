import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

import { amount, seconds, sortKey } from "./column.ts";
import { KINDS } from "./kinds.ts";
import type { Row } from "./rows.ts";

const SOURCES = join(import.meta.dirname, "../../../../src/kind");

/** What stands beside a kind's own fields in the rows of streams. */
const EVERY_ROW = ["uid", "labels", "owner"];

/** The fields that the server writes into a kind's rows, and the rows that its own tests expect. */
function written(kind: string): { readonly fields: readonly string[]; readonly rows: readonly Row[] } {
  const source = readFileSync(join(SOURCES, `${kind}.rs`), "utf8");
  const calls = source.matchAll(/row\s*\.(?:\w+)\(\s*"(\w+)"/g);
  const rows = [...source.matchAll(/r#"(\{"(?:name|uid)":.*?\})"#/g)].map(([, row]) => JSON.parse(row ?? "") as Row);
  return { fields: [...calls].map(([, field]) => field ?? ""), rows };
}

/** The row, noting which of its fields are read. */
function watched(row: Row, read: Set<string>): Row {
  return new Proxy(row, {
    get(target, field) {
      read.add(String(field));
      return Reflect.get(target, field) as unknown;
    },
  });
}

const registered = readdirSync(SOURCES)
  .filter((file) => file.endsWith(".rs"))
  .map((file) => file.slice(0, -3))
  .filter((name) => new RegExp(`const NAME: &'static str = "${name}"`).test(readFileSync(join(SOURCES, `${name}.rs`), "utf8")));

test("there is a page for each kind of the server, and for no other", () => {
  expect(KINDS.map(({ name }) => name).sort()).toEqual(registered.sort());
});

test.each(KINDS.map((kind) => [kind.name, kind] as const))("%s: each column reads fields that its rows have", (name, kind) => {
  const { fields, rows } = written(name);
  const known = new Set([...fields, ...rows.flatMap((row) => Object.keys(row)), ...EVERY_ROW]);
  expect(rows.length).toBeGreaterThan(0);
  const read = new Set<string>();
  for (const row of rows) {
    for (const column of kind.columns) {
      const seen = watched(row, read);
      expect(typeof column.text(seen), column.id).toBe("string");
      expect(column.text(seen), column.id).not.toMatch(/undefined|NaN|\[object/);
      expect(sortKey(column)(seen), column.id).not.toBeNaN();
      column.tone?.(seen);
      column.since?.(seen);
      column.below?.(seen);
    }
  }
  expect([...read].filter((field) => !known.has(field))).toEqual([]);
  const scoped = fields.includes("namespace");
  expect(kind.namespaced).toBe(scoped);
});

test("columns of a page differ in their ids, and the first one is seen on a phone", () => {
  for (const { columns, order } of KINDS) {
    const ids = columns.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(columns[0]?.always).toBe(true);
    if (order !== undefined) expect(ids).toContain(order.replace("-", ""));
  }
});

test("quantities and durations are compared by what they come to", () => {
  const quantities = ["", "500m", "1", "2k", "1Ki", "31.0 GiB", "1Ti"];
  expect([...quantities].sort((a, b) => amount(a) - amount(b))).toEqual(["", "500m", "1", "1Ki", "2k", "31.0 GiB", "1Ti"]);
  expect(amount("8.00 cores")).toBe(8);
  expect(seconds("2d3h")).toBe(183_600);
  expect(seconds("5m10s")).toBe(310);
  expect(seconds("—")).toBe(Number.NEGATIVE_INFINITY);
});
