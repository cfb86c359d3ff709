// One browser to which one thing after another happens, in any order, while the cluster changes all the time.

import { spawnSync } from "node:child_process";
import { eventually, pause } from "../../../tests/browser/steps.mjs";
import { BY_ROLES } from "../house.mjs";
import { LISTS, Tabs } from "../tabs.mjs";
import { housed, stopped } from "./scene.mjs";

const SHORT_MS = 40_000;
const LONG_MS = 600_000;
const LEAST_TABS = 4;
const MOST_TABS = 10;
const BYSTANDER = "dan";
const USERS = ["ann", "bob", "cara"];
const SETTINGS = { ...BY_ROLES, drain: { lame: "0s", window: "1s" } };

/** Numbers that are the same for the same seed (mulberry32). */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A browser of one person's tabs, a bystander's, and all that stands before the cluster. */
class World {
  user = USERS[0];
  /** Since when nothing gets through. */
  cutAt;

  constructor(scene, random, isLong) {
    Object.assign(this, scene);
    this.random = random;
    /** The longest that anything is kept up. */
    this.longestMs = isLong ? 30_000 : 4_000;
  }

  async build() {
    const { foretop, network, front, tabs } = await housed(this, { sim: { byRoles: true, churn: 20 }, settings: SETTINGS });
    Object.assign(this, { foretop, network, front, tabs });
    for (const user of [...USERS, BYSTANDER]) {
      await this.house.binds(user, `${user}-pods`, ["pods"]);
      await this.house.binds(user, `${user}-rest`, ["services", "nodes", "namespaces"]);
    }
    await tabs.context.addInitScript(() => {
      if (location.hash === "#leader") delete window.SharedWorker;
    });
    await tabs.openMany(LEAST_TABS + 2);
    this.bystander = new Tabs(await this.browser.newContext(), network.url);
    await this.bystander.signIn(BYSTANDER);
    await this.bystander.openMany(2);
  }

  pick(from) {
    return from[Math.floor(this.random() * from.length)];
  }

  aWhile() {
    return pause(500 + this.random() * this.longestMs);
  }

  async open(hash) {
    if (this.tabs.pages.length >= MOST_TABS) await this.tabs.close(this.pick(this.tabs.pages));
    return this.tabs.open(LISTS, hash);
  }

  /** Nothing gets through for a while. */
  async interrupt(interrupt) {
    this.cutAt = Date.now();
    interrupt(this.network);
    await this.aWhile();
    this.network.mend();
    this.cutAt = undefined;
  }

  async restart(signal, page) {
    this.foretop.child.kill(signal);
    await this.foretop.child.ended;
    this.foretop = await this.house.startForetop({ port: this.foretop.port, settings: SETTINGS, page });
  }

  /** Everybody comes by another way, until the next. */
  goBy(port) {
    this.front.target = port;
    this.network.cut();
    this.network.mend();
  }

  async aside(page, put) {
    const { pages } = this.tabs;
    this.tabs.pages = pages.filter((other) => other !== page);
    const back = await put(page);
    await this.aWhile();
    await back();
    this.tabs.pages.push(page);
  }

  /** Every tab is fresh, shows what its user may see, and has never said more than it knew. */
  async isRight() {
    for (const tabs of [this.tabs, this.bystander]) {
      await tabs.are(["live", "polling"], 120_000);
      await tabs.equalSource(this.house);
      await tabs.neverDrewWhatWasOver();
    }
  }
}

/** What happens, each to a world that is well, and over when it returns. */
const TROUBLES = {
  "a tab opens": (world) => world.open(),
  "a tab opens where there are no shared workers": (world) => world.open("#leader"),
  "a tab is killed": async (world) => {
    if (world.tabs.pages.length <= LEAST_TABS) await world.open();
    await world.tabs.kill(world.pick(world.tabs.pages));
  },
  "a tab is frozen": (world) =>
    world.aside(world.pick(world.tabs.pages), async (page) => {
      const thaw = await world.tabs.freeze(page);
      return async () => {
        await thaw();
        await page.bringToFront();
      };
    }),
  "somebody goes elsewhere and back": (world) =>
    world.aside(world.pick(world.tabs.pages), async (page) => {
      await page.goto(`${world.tabs.url}/api/features`);
      return () => page.goBack({ waitUntil: "commit" });
    }),
  "the network is cut": (world) => world.interrupt((network) => network.cut()),
  "the network is silent": (world) => world.interrupt((network) => network.silence()),
  "the browser is stopped": (world) => stopped(world.mark, 500 + world.random() * world.longestMs),
  "the server is killed": (world) => world.restart("SIGKILL", world.house.builds.this),
  "the server is ended": (world) => world.restart("SIGTERM", world.house.builds.this),
  "another build is served": async (world) => {
    await world.restart("SIGTERM", world.pick([world.house.builds.again, world.house.builds.next]));
    await world.open();
  },
  "a right is taken away": async (world) => {
    const { user, tabs, house } = world;
    await house.unbinds(`${user}-pods`);
    const isDenied = ([{ phase, rows }]) => phase === "denied" && rows === 0;
    await eventually("pods are denied", async () => (await tabs.claims()).every(isDenied) || (await tabs.claims())[0], 30_000);
    await house.binds(user, `${user}-pods`, ["pods"]);
  },
  "another person signs in": async (world) => {
    const { tabs } = world;
    await world.pick(tabs.pages).evaluate(() => window.lists.client.forget());
    await tabs.areBlank(5_000);
    world.user = world.pick(USERS.filter((user) => user !== world.user));
    await tabs.signIn(world.user);
    await world.open();
  },
  "the session is over": async (world) => {
    const { tabs } = world;
    await tabs.context.clearCookies();
    world.network.cut();
    world.network.mend();
    await tabs.areBlank(60_000);
    await tabs.signIn(world.user);
    await world.open();
  },
  "two replicas are asked in turn": async (world) => {
    const { house, foretop } = world;
    const other = async () => (await house.startForetop({ name: "other", settings: SETTINGS })).port;
    world.replicas ??= await house.startHaproxy([foretop.port, await other()], { timeout: "1h" });
    world.goBy(world.replicas);
  },
  "an HAProxy that cuts what is silent is in front": async (world) => {
    world.cutting ??= await world.house.startHaproxy([world.foretop.port]);
    world.goBy(world.cutting);
  },
  "an nginx that buffers is in front": async (world) => {
    world.buffering ??= await world.house.startNginx(world.foretop.port);
    world.goBy(world.buffering);
  },
  "nothing is in front": (world) => world.goBy(world.foretop.port),
};

const NEEDS = {
  "two replicas are asked in turn": "haproxy",
  "an HAProxy that cuts what is silent is in front": "haproxy",
  "an nginx that buffers is in front": "nginx",
};

/** A polled list takes long to stream again: only where there is time for it. */
const LONG_ONLY = new Set(["an nginx that buffers is in front"]);

export const churn = {
  "whatever happens, in any order": {
    keeps: ["--disable-back-forward-cache"],
    async run(scene) {
      const { isLong } = scene;
      const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
      const random = generator(seed);
      const world = new World(scene, random, isLong);
      await world.build();
      const has = (tool) => !tool || !spawnSync(tool, ["-v"]).error;
      const deck = Object.keys(TROUBLES).filter((name) => has(NEEDS[name]) && (isLong || !LONG_ONLY.has(name)));
      const happened = [];
      const until = Date.now() + (isLong ? LONG_MS : SHORT_MS);
      const truth = () => world.cutAt ?? Date.now();
      try {
        await world.bystander.honest(
          () =>
            world.tabs.honest(async () => {
              await world.isRight();
              let left = [];
              while (Date.now() < until) {
                if (left.length === 0) left = [...deck];
                const [name] = left.splice(Math.floor(random() * left.length), 1);
                happened.push(name);
                const began = Date.now();
                await TROUBLES[name](world);
                await world.isRight();
                if (isLong) console.log(`  ${name} (${((Date.now() - began) / 1000).toFixed(1)} s)`);
              }
            }, truth),
          truth,
        );
      } catch (error) {
        throw new Error(`SEED=${seed}, after: ${happened.join("; ")}`, { cause: error });
      }
      return `SEED=${seed}: ${happened.length} things happened`;
    },
  },
};
