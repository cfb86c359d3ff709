// Two builds of a front end open in one browser, as after each rollout.

import assert from "node:assert/strict";
import { eventually } from "../../../tests/browser/steps.mjs";
import { areStreams, housed } from "./scene.mjs";

/** Serves another build where the last one was. Tabs that are open keep what they have. */
async function rollOut(house, foretop, page) {
  await house.kill(foretop);
  return house.startForetop({ port: foretop.port, page });
}

async function twoBuilds({ house, browser }, home) {
  let { foretop, tabs } = await housed({ house, browser });
  if (home === "leader") await tabs.context.addInitScript(() => delete window.SharedWorker);
  await tabs.openMany(3);
  await tabs.are(["live"]);
  await tabs.honest(async () => {
    foretop = await rollOut(house, foretop, house.builds.again);
    await tabs.open();
    await tabs.are(["live"]);
    await eventually("builds of one version share a stream", () => areStreams(house, foretop, 1));

    foretop = await rollOut(house, foretop, house.builds.next);
    await tabs.openMany(2);
    await tabs.are(["live"]);
    await eventually("each version has its stream", () => areStreams(house, foretop, 2));
    assert.deepEqual(new Set(await Promise.all(tabs.pages.map((page) => page.evaluate(() => window.lists.client.health.home)))), new Set([home]));
  });
  await tabs.equalSource(house);

  await tabs.honest(async () => {
    // One that is loaded again is of the new build.
    await tabs.pages[0].reload();
    await tabs.are(["live"]);
  });
  // Whoever signs out does so in tabs of every version.
  await tabs.pages.at(-1).evaluate(() => window.lists.client.forget());
  await tabs.areBlank(2_000);
  await tabs.signIn("bob");
  await tabs.open();
  await tabs.are(["live"]);
  for (const page of tabs.pages.slice(1, 4)) await tabs.close(page);
  await eventually("one stream is left", () => areStreams(house, foretop, 1));
  await tabs.neverDrewWhatWasOver();
  await tabs.equalSource(house);
}

export const builds = {
  "two builds open at once do not break each other": { run: (scene) => twoBuilds(scene, "worker") },
  "nor do they without shared workers": { run: (scene) => twoBuilds(scene, "leader") },
};
