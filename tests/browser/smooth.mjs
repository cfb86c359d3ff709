// How smooth the console is under churn: how long the main thread is busy per frame while a list of very many rows changes. Run by hand, on a quiet
// machine, before a server such as `foretop demo --clusters 1 --pods 50000 --churn 500`:
//
//   CHROMIUM=/usr/bin/chromium node smooth.mjs http://localhost:8080/clusters/demo-1/pods
import { chromium } from "playwright-core";

import { busyPerFrame, quantile } from "./frames.mjs";

const PROMISED_MS = 4;
const [url, seconds = "20"] = process.argv.slice(2);

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
await page.goto(url);
await page.waitForSelector(".badge[data-phase=live]", { timeout: 120_000 });
// The first rows are drawn, and what compiles has been compiled.
await page.waitForTimeout(3000);
const frames = await busyPerFrame(page, Number(seconds) * 1000);
const ms = (q) => Number((quantile(frames, q) / 1000).toFixed(2));
console.log({ rows: await page.textContent(".statusbar .count"), frames: frames.length, median: ms(0.5), p95: ms(0.95), p99: ms(0.99), most: ms(1) });
await browser.close();
process.exitCode = ms(0.5) < PROMISED_MS ? 0 : 1;
