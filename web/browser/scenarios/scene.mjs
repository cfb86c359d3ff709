// What most scenarios begin with.

import { execFileSync } from "node:child_process";
import { pause } from "../../../tests/browser/steps.mjs";
import { Tabs } from "../tabs.mjs";

/** A house with one Foretop and a browser before it, a front and a network between; `shape` may put something before Foretop. */
export async function housed({ house, browser }, { sim, settings, shape, context = {} } = {}) {
  await house.startSim(sim);
  const foretop = await house.startForetop({ settings });
  const front = await house.startFront(shape ? await shape(foretop) : foretop.port);
  const network = await house.startNetwork(front.port);
  const tabs = new Tabs(await browser.newContext(context), network.url);
  await tabs.signIn("ann");
  return { foretop, network, front, tabs };
}

/** Whether so many streams are there, for all browsers together; or how many are. */
export const areStreams = async (house, foretop, count) => {
  const streams = await house.streams(foretop);
  return streams.length === count || streams.length;
};

/** Stops the processes of the browser that has this mark for so long. */
export async function stopped(mark, ms) {
  const [pid] = execFileSync("pgrep", ["-f", "-P", String(process.pid), "--", mark], { encoding: "utf8" }).split("\n");
  const group = -Number(pid);
  process.kill(group, "SIGSTOP");
  await pause(ms);
  process.kill(group, "SIGCONT");
}
