import { expect, test } from "vitest";

import { moved } from "./keys.ts";

test.each([
  ["j", -1, 0],
  ["ArrowDown", 3, 4],
  ["j", 9, 9],
  ["k", 3, 2],
  ["k", 0, 0],
  ["ArrowUp", -1, 9],
  ["PageDown", 1, 6],
  ["PageUp", 3, 0],
  ["g", 5, 0],
  ["G", 5, 9],
  ["End", 0, 9],
])("%s leads from %d to %d", (key, from, to) => {
  expect(moved(key, from, 10, 5)).toBe(to);
});

test("other keys lead nowhere, and an empty table has no place", () => {
  expect(moved("x", 3, 10, 5)).toBeUndefined();
  expect(moved("j", -1, 0, 5)).toBeUndefined();
});
