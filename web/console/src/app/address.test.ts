import { expect, test } from "vitest";

import { clusterPath, objectPath, parse } from "./address.ts";

test("an address names its parts as they were named", () => {
  const { parts, query } = parse(`${clusterPath("eu/1 %", "pods")}?namespace=a&namespace=b`);
  expect(parts).toEqual(["clusters", "eu/1 %", "pods"]);
  expect(query.getAll("namespace")).toEqual(["a", "b"]);
  expect(parse("/").parts).toEqual([]);
  expect(parse("/clusters/%E0%A4%A").parts).toEqual(["clusters", "%E0%A4%A"]);
  expect(parse(objectPath("east", "pods", "a&b")).query.get("filter")).toBe("a&b");
});
