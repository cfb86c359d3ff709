// Tabs that a browser puts aside: frozen, and kept for who goes back.

import assert from "node:assert/strict";
import { eventually, pause } from "../../../tests/browser/steps.mjs";
import { LISTS } from "../tabs.mjs";
import { areStreams, housed } from "./scene.mjs";

/** What somebody saw since a tab is there again, first of all. */
const firstFrame = async (page) => {
  await eventually("something is drawn", async () => (await page.evaluate(() => window.lists.frames().length)) > 0);
  return page.evaluate(() => window.lists.frames()[0]);
};

export const aside = {
  "a frozen tab comes back empty, then right": {
    async run({ house, browser }) {
      const { foretop, tabs } = await housed({ house, browser });
      await tabs.openMany(4);
      await tabs.are(["live"]);
      const [page, ...others] = tabs.pages;
      let thaw = await tabs.freeze(page);
      tabs.pages = others;
      await tabs.honest(async () => {
        await pause(5_000);
        await tabs.are(["live"]);
        await thaw();
        await page.bringToFront();
        assert.equal((await firstFrame(page)).rows, 0);
        tabs.pages.push(page);
        await tabs.are(["live"]);
      });
      await tabs.equalSource(house);

      // Another person signs in while it is frozen.
      thaw = await tabs.freeze(page);
      tabs.pages = others;
      await others[0].evaluate(() => window.lists.client.forget());
      await tabs.areBlank(2_000);
      await tabs.signIn("bob");
      await tabs.open();
      await tabs.are(["live"]);
      await thaw();
      await page.bringToFront();
      assert.equal((await firstFrame(page)).rows, 0, "nothing of ann's is drawn");
      tabs.pages.push(page);
      await tabs.are(["live"]);
      await eventually("bob's stream", async () => (await house.streams(foretop)).map(({ actor }) => actor).join() === "bob");
      await tabs.equalSource(house);
    },
  },

  "a page that one goes back to is empty, then right": {
    // Which Playwright takes away.
    keeps: ["--disable-back-forward-cache"],
    async run({ house, browser }) {
      const { foretop, tabs } = await housed({ house, browser });
      await tabs.openMany(2);
      // One whose connection is its own, too.
      await tabs.context.addInitScript(() => {
        if (location.hash !== "#alone") return;
        delete window.SharedWorker;
        Object.defineProperty(navigator, "locks", { value: undefined });
      });
      await tabs.open(LISTS, "#alone");
      await tabs.are(["live"]);
      const { pages } = tabs;
      let restored = 0;
      await tabs.honest(async () => {
        for (const page of pages) {
          await page.evaluate(() => (window.wasHere = true));
          await page.goto(`${tabs.url}/api/features`);
          tabs.pages = pages.filter((other) => other !== page);
          await tabs.are(["live"]);
          await page.goBack({ waitUntil: "commit" });
          assert.equal((await firstFrame(page)).rows, 0);
          if (await page.evaluate(() => window.wasHere)) restored += 1;
          tabs.pages = pages;
          await tabs.are(["live"]);
        }
      });
      assert.ok(restored > 0, "the browser kept none of them");
      await eventually("two streams", () => areStreams(house, foretop, 2));
      await tabs.equalSource(house);
      return `${restored} of ${pages.length} pages had been kept`;
    },
  },
};
