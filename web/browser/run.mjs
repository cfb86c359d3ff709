// Browsers with many tabs before a real Foretop. Run by run.sh:
//   node run.mjs FORETOP BUILDS MODULES [--long] [SCENARIO…]
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { House } from "./house.mjs";
import { scenarios } from "./scenarios.mjs";

const [foretop, built, modules, ...rest] = process.argv.slice(2);
const isLong = rest.includes("--long");
const wanted = rest.filter((name) => name !== "--long");
const { CHROMIUM, LANES = "3" } = process.env;

const ARGS = ["--no-sandbox", "--disable-dev-shm-usage"];
const builds = Object.fromEntries(["this", "again", "next"].map((name) => [name, join(built, name)]));

let failed = 0;
const seconds = (since) => ((Date.now() - since) / 1000).toFixed(1);

async function runOne(index, name, { args = [], keeps = [], run }) {
  const began = Date.now();
  const house = new House({ foretop, builds, modules });
  const mark = `--scenario=${process.pid}-${index}`;
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: [...ARGS, mark, ...args], ignoreDefaultArgs: keeps });
  let error;
  try {
    const told = await run({ house, browser, mark, isLong });
    console.log(`ok: ${name} (${seconds(began)} s)${told ? `: ${told}` : ""}`);
  } catch (thrown) {
    error = thrown;
    failed += 1;
    console.log(`FAILED: ${name} (${seconds(began)} s)\n${thrown.stack}${thrown.cause ? `\n${thrown.cause.stack}` : ""}`);
  }
  await browser.close();
  await house.close(error !== undefined);
}

function isToBeRun([name, { needs = [] }]) {
  if (wanted.length > 0 && !wanted.includes(name)) return false;
  const missing = needs.find((tool) => spawnSync(tool, ["-v"]).error);
  if (!missing) return true;
  console.error(`!! SKIPPED: ${name} was NOT tested: there is no ${missing} (Debian: apt-get install ${missing})`);
  return false;
}

const began = Date.now();
const all = Object.entries(scenarios).filter(isToBeRun);
const queue = [...all.entries()].filter(([, [, { isTimed }]]) => !isTimed);
for (const [index, [name, scenario]] of all.entries()) if (scenario.isTimed) await runOne(index, name, scenario);
// Most of their time they wait for something to be noticed: several do so side by side.
const lane = async () => {
  for (let next = queue.shift(); next; next = queue.shift()) await runOne(next[0], ...next[1]);
};
await Promise.all(Array.from({ length: Number(LANES) }, lane));
console.log(`${all.length} scenarios, ${failed} failed (${seconds(began)} s)`);
process.exit(failed === 0 ? 0 : 1);
