// What may befall a browser full of live lists. After each, every tab shows what the clusters hold, and none has claimed more than it knew.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { eventually, pause } from "./house.mjs";
import { LISTS, Tabs } from "./tabs.mjs";

const TABS = 50;
const NAMESPACES = LISTS[3];

/** A house with one Foretop and a browser before it; `shape` may put something between. */
async function housed({ house, browser }, { sim, shape, context = {} } = {}) {
  await house.startSim(sim);
  const foretop = await house.startForetop();
  const front = await house.startFront(shape ? await shape(foretop) : foretop.port);
  const tabs = new Tabs(await browser.newContext(context), front.url);
  await tabs.signIn("ann");
  return { foretop, front, tabs };
}

/** Stops the browser's processes for so long. */
async function stopped(ms) {
  const group = -Number(execFileSync("pgrep", ["-P", String(process.pid), "chrom"], { encoding: "utf8" }).split("\n")[0]);
  process.kill(group, "SIGSTOP");
  await pause(ms);
  process.kill(group, "SIGCONT");
}

/** Streams that are there for browsers. */
const oneStream = async (house, foretop) => {
  const streams = await house.streams(foretop);
  return streams.length === 1 || streams.length;
};

export const scenarios = {
  "fifty tabs with four live lists each are one stream": {
    // Tabs share a few processes: fifty of their own are more than a small machine has memory for. Nothing of the test hangs on it.
    args: ["--renderer-process-limit=4"],
    async run({ house, browser, isLong }) {
      const { foretop, tabs } = await housed({ house, browser });
      await tabs.honest(async () => {
        await tabs.openMany(TABS);
        await tabs.are(["live"]);
        if (isLong) await pause(600_000);
      });
      const last = await tabs.open();
      await eventually("the last tab's lists are whole", async () => (await last.evaluate(() => window.lists.wholeAfterMs())) !== null);
      const took = await last.evaluate(() => window.lists.wholeAfterMs());
      assert.ok(took < 1_000, `the 51st tab took ${took} ms`);
      await eventually("one stream", () => oneStream(house, foretop));
      assert.equal((await tabs.health()).home, "worker");
      await tabs.equalSource(house);
      return `the 51st tab had its lists after ${Math.round(took)} ms`;
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
      await eventually("its view is closed", async () => (await tabs.health()).views === LISTS.length || (await tabs.health()), 30_000);
      await eventually("one stream", () => oneStream(house, foretop));
      await tabs.are(["live"]);
      await tabs.equalSource(house);
    },
  },

  "a server that is killed and started again is found again": {
    async run({ house, browser }) {
      const { foretop, tabs } = await housed({ house, browser });
      await tabs.openMany(6);
      await tabs.are(["live"]);
      await tabs.honest(async () => {
        await house.kill(foretop);
        await eventually("no list says live", async () => (await tabs.claims()).flat().every(({ phase }) => phase !== "live"), 5_000);
        await pause(3_000);
        await house.startForetop("foretop", foretop.port);
        await tabs.are(["live"]);
      });
      await eventually("one stream", () => oneStream(house, foretop));
      await tabs.equalSource(house);
    },
  },

  "a network that is cut makes lists stale, and gives them back": {
    async run({ house, browser, isLong }) {
      const { front, tabs } = await housed({ house, browser });
      await tabs.openMany(6);
      await tabs.are(["live"]);
      let cutAt;
      await tabs.honest(
        async () => {
          cutAt = Date.now();
          front.cut();
          await tabs.are(["stale"], 40_000);
          await pause(isLong ? 60_000 : 1_000);
          front.mend();
          cutAt = undefined;
          await tabs.are(["live"]);
        },
        () => cutAt ?? Date.now(),
      );
      await tabs.equalSource(house);
    },
  },

  "a browser that was stopped for a while knows that it was": {
    async run({ house, browser }) {
      const { tabs } = await housed({ house, browser });
      await tabs.openMany(4);
      await tabs.are(["live"]);
      const stoppedAt = Date.now();
      await stopped(30_000);
      const claims = (await tabs.claims()).flat();
      const lies = claims.filter(({ phase, asOf }) => phase === "live" && asOf < stoppedAt + 5_000);
      assert.deepEqual(lies, [], "no list is live as of before");
      await tabs.honest(() => tabs.are(["live"]));
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
      await eventually("one stream", () => oneStream(house, foretop));
      await tabs.honest(async () => {
        await tabs.kill(first);
        await eventually("another leads", async () => (await tabs.health()).opened === 1 && (await oneStream(house, foretop)));
        await tabs.are(["live"]);
      });
      await tabs.equalSource(house);
    },
  },

  "who signs in after another sees nothing of theirs, in no tab": {
    async run({ house, browser }) {
      const { foretop, tabs } = await housed({ house, browser });
      await tabs.openMany(5);
      await tabs.are(["live"]);
      await tabs.pages[0].evaluate(() => window.lists.client.forget());
      await eventually("every tab is blank", async () => (await tabs.claims()).flat().every(({ rows, code }) => rows === 0 && code === "unauthenticated"), 2_000);
      await eventually("no stream is left", async () => (await house.streams(foretop)).length === 0);
      await tabs.context.clearCookies();
      // Bob signs in, in a tab of his own: the others learn of it.
      await tabs.signIn("bob");
      await tabs.open();
      await tabs.are(["live"]);
      const streams = await house.streams(foretop);
      assert.deepEqual(streams.map(({ actor }) => actor), ["bob"]);
      await tabs.equalSource(house);
    },
  },

  "another session without a word of goodbye drops the rows of the first": {
    async run({ house, browser }) {
      const { foretop, front, tabs } = await housed({ house, browser });
      await tabs.openMany(3);
      await tabs.are(["live"]);
      await tabs.signIn("bob");
      // The next stream says whose it is.
      front.cut();
      front.mend();
      await eventually("bob's stream", async () => {
        const actors = (await house.streams(foretop)).map(({ actor }) => actor);
        return actors.join() === "bob" || actors;
      });
      await tabs.are(["live"]);
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
      const other = {};
      const { tabs } = await housed(
        { house, browser },
        {
          shape: async ({ port }) => {
            other.replica = await house.startForetop("other");
            return house.startHaproxy([port, other.replica.port], { timeout: "1h" });
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
