import { expect, test } from "vitest";

import { age } from "./age.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

test.each([
  [-5 * SECOND, "0s"],
  [0, "0s"],
  [999, "0s"],
  [59 * SECOND, "59s"],
  [119 * SECOND, "119s"],
  [2 * MINUTE, "2m"],
  [2 * MINUTE + SECOND, "2m1s"],
  [9 * MINUTE + 59 * SECOND, "9m59s"],
  [10 * MINUTE + 30 * SECOND, "10m"],
  [179 * MINUTE, "179m"],
  [3 * HOUR, "3h"],
  [7 * HOUR + 59 * MINUTE, "7h59m"],
  [8 * HOUR + 59 * MINUTE, "8h"],
  [47 * HOUR, "47h"],
  [2 * DAY + 3 * HOUR, "2d3h"],
  [8 * DAY + 3 * HOUR, "8d"],
  [729 * DAY, "729d"],
  [731 * DAY, "2y1d"],
  [8 * 365 * DAY + DAY, "8y"],
])("%d ms ago reads %s, as in kubectl", (passed, text) => {
  expect(age(1_000_000, 1_000_000 + passed)).toBe(text);
});

test("what is no moment has no age", () => {
  expect(age(Number.NEGATIVE_INFINITY, 0)).toBe("");
  expect(age(Number.NaN, 0)).toBe("");
});
