import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "vite";
import { expect, it } from "vitest";

const MOST = 10_000;

async function weigh(entry: string): Promise<number> {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const built = await build({
    root,
    configFile: false,
    logLevel: "error",
    build: { write: false, target: "es2022", minify: true, lib: { entry, formats: ["iife"], name: "foretop" } },
  });
  const [bundle] = Array.isArray(built) ? built : [built];
  if (!bundle || !("output" in bundle)) throw new Error("nothing was built");
  return gzipSync(bundle.output.map((part) => ("code" in part ? part.code : "")).join("")).length;
}

it.each(["src/index.ts", "src/worker.ts", "src/filter.ts"])("%s is at most 10 KB, gzipped", { timeout: 60_000 }, async (entry) => {
  const bytes = await weigh(entry);
  console.log(`${entry}: ${bytes} bytes, gzipped`);
  expect(bytes).toBeGreaterThan(500);
  expect(bytes).toBeLessThanOrEqual(MOST);
});
