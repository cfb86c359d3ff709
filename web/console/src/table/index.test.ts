import fc from "fast-check";
import { expect, test } from "vitest";

import { RowIndex, type Order } from "./index.ts";

interface Thing {
  readonly id: string;
  readonly name: string;
  readonly size: number;
}

const READING = { id: ({ id }: Thing) => id, tie: ({ name }: Thing) => name, haystack: ({ name, size }: Thing) => `${name} ${size}` };

const ORDERS: readonly Order<Thing>[] = [
  { key: () => 0, descending: false },
  { key: ({ size }) => size, descending: false },
  { key: ({ size }) => size, descending: true },
  { key: ({ name }) => name, descending: true },
];

const byTie = ORDERS[0] as Order<Thing>;

/** What sorting and filtering from scratch shows. */
function naive(things: ReadonlyMap<string, Thing>, { key, descending }: Order<Thing>, filter: string): string[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const shown = [...things.values()].filter((thing) => words.every((word) => READING.haystack(thing).includes(word)));
  const cmp = (a: string | number, b: string | number): number => (a < b ? -1 : a > b ? 1 : 0);
  shown.sort((a, b) => (descending ? -1 : 1) * cmp(key(a), key(b)) || cmp(a.name, b.name) || cmp(a.id, b.id));
  return shown.map(({ id }) => id);
}

const thing = fc.record({
  id: fc.integer({ min: 0, max: 120 }).map(String),
  name: fc.constantFrom("web", "web-1", "api", "db", "Cache"),
  size: fc.integer({ min: 0, max: 5 }),
});

const step = fc.oneof(
  fc.record({ put: fc.array(thing, { maxLength: 8 }), removed: fc.array(thing.map(({ id }) => id), { maxLength: 4 }) }),
  fc.record({ put: fc.array(thing, { minLength: 60, maxLength: 200 }), removed: fc.array(thing.map(({ id }) => id), { maxLength: 40 }) }),
  fc.record({ order: fc.constantFrom(...ORDERS) }),
  fc.record({ filter: fc.constantFrom("", "web", "WEB 3", "a", " 1 ", "nothing") }),
);

test("an index shows what sorting and filtering everything would show, whatever happened to it", { timeout: 30_000 }, () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const index = new RowIndex(READING, byTie);
      const things = new Map<string, Thing>();
      let order = byTie;
      let filter = "";
      for (const one of steps) {
        if ("order" in one) {
          order = one.order;
          index.sortBy(order);
        } else if ("filter" in one) {
          filter = one.filter;
          index.filterBy(filter);
        } else {
          for (const id of one.removed) things.delete(id);
          for (const put of one.put) things.set(put.id, put);
          index.apply(one.put, one.removed, 1);
        }
        const expected = naive(things, order, filter);
        expect(index.slice(0, index.size).map(({ id }) => id)).toEqual(expected);
        expect(index.total).toBe(things.size);
        expect(index.ids().map((id) => index.placeOf(id))).toEqual(index.ids().map((id) => expected.indexOf(id)));
        expect(index.slice(0, index.size).every(({ id, row }) => things.get(id) === row)).toBe(true);
      }
    }),
    { numRuns: 300 },
  );
});

test("an entry says what was there before it, and when it changed", () => {
  const index = new RowIndex(READING, byTie);
  const first = { id: "1", name: "web", size: 1 };
  const second = { ...first, size: 2 };
  index.apply([first], [], 0);
  expect(index.at(0)).toMatchObject({ before: null, changedAt: 0 });
  const untouched = index.at(0);
  index.sortBy(byTie);
  index.apply([{ id: "2", name: "api", size: 0 }], [], 5);
  expect(index.get("1")?.row).toBe(untouched?.row);
  index.apply([second], [], 7);
  expect(index.get("1")).toMatchObject({ row: second, before: first, changedAt: 7 });
  index.apply([], ["1"], 8);
  index.apply([second], [], 9);
  expect(index.get("1")).toMatchObject({ before: null, changedAt: 9 });
});
