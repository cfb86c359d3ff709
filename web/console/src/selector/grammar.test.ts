import { expect, test } from "vitest";

import { mistakeIn, narrowed } from "./grammar.ts";

test.each([
  "",
  "  ",
  "app=web",
  "app==web",
  "app = web",
  "app!=web",
  "app",
  "!app",
  "app=",
  "app in (a,b)",
  "app notin ( a , b )",
  "app in (a),tier!=cache,!old",
  "app.kubernetes.io/name=web",
  "pod-template-hash=5d4f9",
])("%s is a selector", (selector) => {
  expect(mistakeIn(selector)).toBeNull();
});

test.each([
  ["app=web,", "between two commas"],
  [",", "between two commas"],
  ["app in (a,b", "not closed"],
  ["app)", "not closed"],
  ["app=we b", '"app=we b"'],
  ["app in a", '"app in a"'],
  ["app>3", '"app>3"'],
  ["-app=web", '"-app=web"'],
  ["a/b/c=d", '"a/b/c=d"'],
  ["App.Example/x=1", '"App.Example/x=1"'],
  [`app=${"x".repeat(64)}`, "is no requirement"],
])("%s is none, and one is told why", (selector, why) => {
  expect(mistakeIn(selector)).toContain(why);
});

test("a label that is clicked on narrows the selector, once", () => {
  expect(narrowed("", "app", "web")).toBe("app=web");
  expect(narrowed("tier in (a,b)", "app", "web")).toBe("tier in (a,b),app=web");
  expect(narrowed("app=web", "app", "web")).toBe("app=web");
});
