// Who looks changes, or what they may see.

import assert from "node:assert/strict";
import { eventually } from "../../../tests/browser/steps.mjs";
import { BY_ROLES } from "../house.mjs";
import { LISTS, Tabs } from "../tabs.mjs";
import { housed } from "./scene.mjs";

/** A right that is lost is lost within this, with some for a machine that is busy. */
const LOST_MS = 12_000 + 5_000;

/** A browser of somebody else. */
async function browserOf(user, { browser, url }, count, lists = LISTS) {
  const tabs = new Tabs(await browser.newContext(), url);
  await tabs.signIn(user);
  await tabs.openMany(count, lists);
  return tabs;
}

export const people = {
  "who signs in after another sees nothing of theirs, in no tab": {
    async run({ house, browser }) {
      const { foretop, tabs } = await housed({ house, browser });
      await tabs.openMany(5);
      await tabs.are(["live"]);
      await tabs.pages[0].evaluate(() => window.lists.client.forget());
      await tabs.areBlank(2_000);
      await eventually("no stream is left", async () => (await house.streams(foretop)).length === 0);
      await tabs.context.clearCookies();
      // Bob signs in, in a tab of his own: the others learn of it.
      await tabs.signIn("bob");
      await tabs.open();
      await tabs.are(["live"]);
      const streams = await house.streams(foretop);
      assert.deepEqual(streams.map(({ actor }) => actor), ["bob"]);
      await tabs.neverDrewWhatWasOver();
      await tabs.equalSource(house);
    },
  },

  "another session without a word of goodbye drops the rows of the first": {
    async run({ house, browser }) {
      const { foretop, network, tabs } = await housed({ house, browser });
      await tabs.openMany(3);
      await tabs.are(["live"]);
      await tabs.signIn("bob");
      // The next stream says whose it is.
      network.cut();
      network.mend();
      await eventually("bob's stream", async () => {
        const actors = (await house.streams(foretop)).map(({ actor }) => actor);
        return actors.join() === "bob" || actors;
      });
      await tabs.are(["live"]);
      await tabs.neverDrewWhatWasOver();
      await tabs.equalSource(house);
    },
  },

  "a right that is taken away empties its lists and no others, until it is given back": {
    async run({ house, browser }) {
      const { tabs: ann } = await housed({ house, browser }, { sim: { byRoles: true }, settings: BY_ROLES });
      await house.binds("ann", "ann-pods", ["pods"]);
      await house.binds("ann", "ann-rest", ["services", "nodes", "namespaces"]);
      await house.binds("bob", "bob-all", ["pods", "services", "nodes", "namespaces"]);
      for (const namespace of ["shop", "payments"]) await house.binds("cara", `cara-${namespace}`, ["pods"], namespace);
      await ann.openMany(3);
      const bob = await browserOf("bob", { browser, url: ann.url }, 2);
      const cara = await browserOf("cara", { browser, url: ann.url }, 2, [LISTS[0]]);
      const everybody = [ann, bob, cara];
      for (const tabs of everybody) await tabs.are(["live"]);
      const caraSees = (...namespaces) => cara.equalSource(house, [LISTS[0]], ({ namespace }) => namespaces.includes(namespace));
      await caraSees("shop", "payments");

      const honest = everybody.map((tabs) => (work) => tabs.honest(work));
      const all = (work) => honest.reduce((inner, around) => () => around(inner), work)();
      await all(async () => {
        await house.unbinds("ann-pods");
        await house.unbinds("cara-payments", "payments");
        await eventually(
          "ann is denied pods, and only pods",
          async () => {
            const claims = await ann.claims();
            const isDenied = ({ phase, code, rows }) => phase === "denied" && code === "forbidden" && rows === 0;
            return claims.every(([pods, ...rest]) => isDenied(pods) && rest.every(({ phase, rows }) => phase === "live" && rows > 0)) || claims[0];
          },
          LOST_MS,
        );
        await caraSees("shop");
        await bob.are(["live"]);
        await bob.equalSource(house);
        await house.binds("ann", "ann-pods", ["pods"]);
        await house.binds("cara", "cara-payments", ["pods"], "payments");
        await ann.are(["live"]);
      });
      await caraSees("shop", "payments");
      await ann.equalSource(house);
    },
  },

  "a session that is over leaves every tab blank, and goes on with the next": {
    async run({ house, browser }) {
      await house.startSim();
      const network = await house.startNetwork();
      const settings = await house.startProvider(network.url);
      Object.assign(settings.auth.session, { absoluteTimeout: "1m", idleTimeout: "0s" });
      network.target = (await house.startForetop({ settings: { ...settings, server: { publicUrl: network.url } } })).port;
      const tabs = new Tabs(await browser.newContext(), network.url);
      await tabs.signInAtProvider("ann");
      await tabs.openMany(4);
      await tabs.are(["live"]);
      await tabs.honest(async () => {
        const whoami = () => tabs.context.request.get(`${network.url}/api/auth/whoami`, { maxRedirects: 0 });
        await eventually("the session is over", async () => (await whoami()).status() === 401, 75_000);
        await tabs.areBlank(10_000);
        await tabs.signInAtProvider("ann");
        await tabs.open();
        await tabs.are(["live"]);
      });
      await tabs.neverDrewWhatWasOver();
      await tabs.equalSource(house);
    },
  },
};
