// Many tabs of one browser, and tabs that end without a word.

import assert from "node:assert/strict";
import { eventually } from "../../../tests/browser/steps.mjs";
import { LISTS } from "../tabs.mjs";
import { areStreams, housed } from "./scene.mjs";

const TABS = 50;
const PROMISED_MS = 1_000;

/** How long a further tab takes to have its lists, from the moment it begins to load. */
async function wholeAfterMs(tabs) {
  const tab = await tabs.open();
  const took = () => tab.evaluate(() => window.lists.wholeAfterMs());
  await eventually("the last tab's lists are whole", async () => (await took()) !== null);
  return took();
}

export const many = {
  "fifty tabs with four live lists each are one stream": {
    // Tabs share a few processes: fifty of their own are more than a small machine has memory for. Nothing of the test hangs on it.
    args: ["--renderer-process-limit=4"],
    isTimed: true,
    async run({ house, browser }) {
      const { foretop, tabs } = await housed({ house, browser });
      await tabs.honest(async () => {
        await tabs.openMany(TABS);
        await tabs.are(["live"]);
      });
      // What else the machine does may hold one up, and no three.
      const took = [await wholeAfterMs(tabs)];
      while (took.at(-1) >= PROMISED_MS && took.length < 3) took.push(await wholeAfterMs(tabs));
      assert.ok(took.at(-1) < PROMISED_MS, `tabs from the 51st on took ${took.map(Math.round)} ms`);
      await eventually("one stream", () => areStreams(house, foretop, 1));
      assert.equal((await tabs.health()).home, "worker");
      await tabs.equalSource(house);
      return `the 51st tab had its lists after ${Math.round(took[0])} ms`;
    },
  },

  "a tab that is killed leaves the others alone": {
    async run({ house, browser }) {
      const { foretop, tabs } = await housed({ house, browser });
      await tabs.openMany(4);
      const other = { ...LISTS[0], kind: "deployments" };
      const victim = await tabs.open([other]);
      await tabs.are(["live"]);
      await tabs.kill(victim);
      await eventually("its view is closed", async () => (await tabs.health()).views === LISTS.length || (await tabs.health()));
      await eventually("one stream", () => areStreams(house, foretop, 1));
      await tabs.are(["live"]);
      await tabs.equalSource(house);
    },
  },

  "without shared workers one tab leads, and the next after it": {
    async run({ house, browser }) {
      const { foretop, tabs } = await housed({ house, browser });
      await tabs.context.addInitScript(() => delete window.SharedWorker);
      const first = await tabs.open();
      await tabs.are(["live"]);
      await tabs.openMany(9);
      await tabs.are(["live"]);
      assert.equal((await tabs.health()).home, "leader");
      await eventually("one stream", () => areStreams(house, foretop, 1));
      await tabs.honest(async () => {
        await tabs.kill(first);
        await eventually("another leads", async () => (await tabs.health()).opened === 1 && (await areStreams(house, foretop, 1)));
        await tabs.are(["live"]);
      });
      await tabs.equalSource(house);
    },
  },
};
