// What tests with a browser are made of: waiting for what must become true, steps that say how long they took, and a provider's own pages.
import assert from "node:assert/strict";

const PATIENCE_MS = 60_000;

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `isSo` returns `true`; whatever else it returned last is in the error. A look that began in time and took long does not decide. */
export async function eventually(what, isSo, patience = PATIENCE_MS) {
  const until = Date.now() + patience;
  for (;;) {
    const isLast = Date.now() > until;
    const seen = await isSo();
    if (seen === true) return;
    if (isLast) assert.fail(`${what}: not within ${patience} ms; last seen: ${String(JSON.stringify(seen)).slice(0, 600)}`);
    await pause(100);
  }
}

export async function step(what, work) {
  const began = Date.now();
  const result = await work();
  console.log(`ok: ${what} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
  return result;
}

/** Fills in the provider's pages until they lead back to `home`. */
export async function passProvider(page, home, user) {
  for (let pages = 0; !page.url().startsWith(home) && pages < 5; pages += 1) {
    if (await page.locator("input[name=login]").count()) {
      await page.fill("input[name=login]", user);
      await page.fill("input[name=password]", "anything");
    }
    await Promise.all([page.waitForNavigation(), page.click("button[type=submit]")]);
  }
}
