// Browsers with many tabs before a real Foretop. Run by run.sh:
//   node run.mjs FORETOP PAGE [--long] [SCENARIO…]
import { spawnSync } from "node:child_process";
import { chromium } from "playwright-core";
import { House } from "./house.mjs";
import { scenarios } from "./scenarios.mjs";

const [foretop, page, ...rest] = process.argv.slice(2);
const isLong = rest.includes("--long");
const wanted = rest.filter((name) => name !== "--long");
const { CHROMIUM } = process.env;

const ARGS = ["--no-sandbox", "--disable-dev-shm-usage"];

let failed = 0;
for (const [name, { needs, args = [], run }] of Object.entries(scenarios)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const missing = (needs ?? []).find((tool) => spawnSync(tool, ["-v"]).error);
  if (missing) {
    console.error(`!! SKIPPED: ${name} was NOT tested: there is no ${missing} (Debian: apt-get install ${missing})`);
    continue;
  }
  const began = Date.now();
  const house = new House(foretop, page);
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: [...ARGS, ...args] });
  let error;
  try {
    const told = await run({ house, browser, isLong });
    console.log(`ok: ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)${told ? `: ${told}` : ""}`);
  } catch (thrown) {
    error = thrown;
    failed += 1;
    console.log(`FAILED: ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)\n${thrown.stack}`);
  }
  await browser.close();
  await house.close(error !== undefined);
}
process.exit(failed === 0 ? 0 : 1);
