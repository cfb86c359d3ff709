// What may happen between a browser and Foretop, and to either.

import assert from "node:assert/strict";
import { eventually, pause } from "../../../tests/browser/steps.mjs";
import { LISTS } from "../tabs.mjs";
import { areStreams, housed, stopped } from "./scene.mjs";

const NAMESPACES = LISTS[3];

/** A network that does not let through: lists say so in time, and are right again afterwards. */
async function interrupted({ house, browser, isLong }, interrupt) {
  const { network, tabs } = await housed({ house, browser });
  await tabs.openMany(6);
  await tabs.are(["live"]);
  let cutAt;
  await tabs.honest(
    async () => {
      cutAt = Date.now();
      interrupt(network);
      await tabs.are(["stale"], 40_000);
      await pause(isLong ? 60_000 : 1_000);
      network.mend();
      cutAt = undefined;
      await tabs.are(["live"]);
    },
    () => cutAt ?? Date.now(),
  );
  await tabs.equalSource(house);
}

export const between = {
  "a server that is killed and started again is found again": {
    async run({ house, browser }) {
      const { foretop, tabs } = await housed({ house, browser });
      await tabs.openMany(6);
      await tabs.are(["live"]);
      await tabs.honest(async () => {
        await house.kill(foretop);
        await eventually("no list says live", async () => (await tabs.claims()).flat().every(({ phase }) => phase !== "live"), 5_000);
        await pause(3_000);
        await house.startForetop({ port: foretop.port });
        await tabs.are(["live"]);
      });
      await eventually("one stream", () => areStreams(house, foretop, 1));
      await tabs.equalSource(house);
    },
  },

  "a network that is cut makes lists stale, and gives them back": {
    run: (scene) => interrupted(scene, (network) => network.cut()),
  },

  "a network that falls silent, with every connection open, does the same": {
    run: (scene) => interrupted(scene, (network) => network.silence()),
  },

  "a browser that was stopped for a while knows that it was": {
    async run({ house, browser, mark }) {
      const { tabs } = await housed({ house, browser });
      await tabs.openMany(4);
      await tabs.are(["live"]);
      const stoppedAt = Date.now();
      await stopped(mark, 30_000);
      const claims = (await tabs.claims()).flat();
      const lies = claims.filter(({ phase, asOf }) => phase === "live" && asOf < stoppedAt + 5_000);
      assert.deepEqual(lies, [], "no list is live as of before");
      await tabs.honest(() => tabs.are(["live"]));
      await tabs.equalSource(house);
    },
  },

  "behind an nginx that buffers, lists are polled": {
    needs: ["nginx"],
    async run({ house, browser, isLong }) {
      const { tabs } = await housed({ house, browser }, { sim: { churn: 0 }, shape: ({ port }) => house.startNginx(port) });
      // A few rows stay in the proxy's buffer, head and all. Of many it passes on the most, and nothing after them: it takes two heartbeats, twice, to tell.
      const lists = isLong ? LISTS : [NAMESPACES];
      await tabs.openMany(2, lists);
      await tabs.honest(() => tabs.are(["polling"], isLong ? 120_000 : 30_000));
      await tabs.equalSource(house, lists);
    },
  },

  "behind an HAProxy that cuts what is silent for 10 s, lists stay right": {
    needs: ["haproxy"],
    async run({ house, browser }) {
      const { tabs } = await housed({ house, browser }, { sim: { churn: 0 }, shape: ({ port }) => house.startHaproxy([port]) });
      await tabs.openMany(2);
      await tabs.are(["live"]);
      await tabs.honest(() => tabs.are(["polling"], 90_000));
      await tabs.equalSource(house);
    },
  },

  "two replicas that are asked in turn serve one browser": {
    needs: ["haproxy"],
    async run({ house, browser }) {
      const { tabs } = await housed(
        { house, browser },
        {
          shape: async ({ port }) => {
            const other = await house.startForetop({ name: "other" });
            return house.startHaproxy([port, other.port], { timeout: "1h" });
          },
        },
      );
      await tabs.honest(async () => {
        for (const list of LISTS) {
          await tabs.open([list]);
          await pause(500);
        }
        await tabs.are(["live"]);
      });
      const { pages } = tabs;
      for (const [index, list] of LISTS.entries()) {
        tabs.pages = [pages[index]];
        await tabs.equalSource(house, [list]);
      }
    },
  },
};
