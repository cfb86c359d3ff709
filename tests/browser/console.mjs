// The console that is built in, as people see it: each page, what is not there and why, keys, signing in and out. Run by run.sh.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

import { eventually, passProvider, step as timed } from "./steps.mjs";

const { CHROMIUM, FORETOP_URL, PROVIDER_URL, SIM_URL, CLUSTERS_FILE } = process.env;
const PATIENCE = 30_000;
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const DESK = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 780 };

const KINDS = [
  "pods", "deployments", "statefulsets", "daemonsets", "replicasets", "jobs", "cronjobs", "horizontalpodautoscalers", "poddisruptionbudgets",
  "services", "ingresses", "networkpolicies", "endpointslices", "ingressclasses", "pvcs", "pvs", "storageclasses", "nodes", "namespaces",
  "events", "priorityclasses", "runtimeclasses",
];

// Certificates are the test's own: a shared worker takes them only where the whole browser does.
const args = ["--no-sandbox", "--disable-dev-shm-usage", "--ignore-certificate-errors"];
const browser = await chromium.launch({ executablePath: CHROMIUM, args });

/** What pages have complained of, and what their policy has stopped. */
const complaints = [];

async function newWindow(more = {}) {
  const window = await browser.newContext({ ignoreHTTPSErrors: true, viewport: DESK, reducedMotion: "reduce", ...more });
  await window.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
  });
  window.on("page", (page) => {
    page.on("pageerror", (error) => complaints.push(`${page.url()}: ${error.stack}`));
    page.on("console", (message) => {
      // What the browser itself says of a refusal is no fault of the page.
      const isOfNetwork = /^Failed to load resource/.test(message.text());
      if (["error", "warning"].includes(message.type()) && !isOfNetwork) complaints.push(`${page.url()}: ${message.text()}`);
    });
  });
  return window;
}

/** A step after which no page has complained. */
const step = (what, work) =>
  timed(what, async () => {
    try {
      await work();
    } catch (error) {
      for (const shown of browser.contexts().flatMap((window) => window.pages())) {
        console.error(`a page at ${shown.url()} shows: ${(await shown.innerText("body").catch(String)).slice(0, 600)}`);
      }
      throw error;
    }
    assert.deepEqual(complaints.splice(0), [], `what pages complained of during: ${what}`);
  });

async function isAccessible(page, what) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("; ")}`);
  assert.deepEqual(found, [], `axe on ${what}`);
}

const sim = (path, body, method = "POST") =>
  fetch(`${SIM_URL}/clusters/sim-1/_sim/${path}`, { method, ...(body && { body: JSON.stringify(body) }) }).then((answer) => assert.ok(answer.ok, path));

const provider = async (path) => (await fetch(`${PROVIDER_URL}/_test/${path}`)).json();

/** From the console's own page of signing in, through the provider's, and back. */
async function signIn(page, user) {
  await page.click("text=Sign in with");
  await passProvider(page, FORETOP_URL, user);
}

const go = (page, path) => page.goto(FORETOP_URL + path);
const rows = (page) => page.locator("[role=grid] .body [role=row]");
const phase = (page) => page.locator(".badge").getAttribute("data-phase");
const absence = (page, what) => page.waitForSelector(`[data-absence=${what}]`, { timeout: PATIENCE });
const isLive = async (page) => (await phase(page)) === "live" || (await phase(page));

/** A window of somebody who has signed in. */
async function windowOf(user, more) {
  const window = await newWindow(more);
  const page = await window.newPage();
  await go(page, "/");
  await signIn(page, user);
  await page.waitForSelector("[role=grid]");
  return { window, page };
}

await sim("access", {
  default: true,
  rules: [
    { user: "bob", namespace: "payments", allow: true },
    { user: "bob", namespace: "shop", allow: true },
    { user: "bob", allow: false },
    { user: "eve", allow: false },
  ],
});

const window = await newWindow();
const page = await window.newPage();

await step("who is not signed in is told how, and is led back to where they wanted to go", async () => {
  await go(page, "/clusters/east/pods?sort=-age");
  await page.waitForSelector("text=You are not signed in");
  await isAccessible(page, "signing in");
  await provider("groups?group=ops&group=web");
  await signIn(page, "ann");
  assert.equal(page.url(), `${FORETOP_URL}/clusters/east/pods?sort=-age`);
  await rows(page).first().waitFor();
  assert.equal(await page.textContent(".person summary"), "ann@example.org");
});

await step("a list is live, and shows what comes and goes", async () => {
  await go(page, "/clusters/east/pods?filter=planted");
  await absence(page, "filtered");
  await eventually("live", () => isLive(page));
  await sim("churn", { paused: true });
  const metadata = { name: "planted", namespace: "shop", labels: { app: "planted" } };
  await sim("objects/pods", { metadata, spec: { containers: [{ name: "a" }] }, status: { phase: "Pending" } });
  await page.waitForSelector("[role=gridcell] >> text=planted");
  assert.match(await page.textContent(".statusbar"), /1 of \d+ pods/);
  await sim("objects/pods/shop/planted", undefined, "DELETE");
  await absence(page, "filtered");
  await isAccessible(page, "a list that the filter has emptied");
});

await step("a list that does not come yet is not an empty one", async () => {
  await sim("faults", { fault: "stall", resource: "priorityclasses" });
  await go(page, "/clusters/east/priorityclasses");
  await absence(page, "slow");
  await page.waitForSelector("text=This takes longer than usual");
  assert.equal(await page.textContent(".statusbar .count"), "");
  await isAccessible(page, "a list that is waited for");
  await sim("faults", undefined, "DELETE");
  await rows(page).first().waitFor();
});

await step("each of the kinds has its page", async () => {
  for (const kind of KINDS) {
    await go(page, `/clusters/east/${kind}`);
    await eventually(`${kind} is there`, async () => ((await rows(page).count()) > 0 || (await page.locator("[data-absence=empty]").count()) > 0 ? true : await phase(page)));
    const titles = await page.locator("[role=columnheader]").allTextContents();
    assert.ok(titles.length >= 3, kind);
  }
});

await step("pages are accessible: light and dark, wide and narrow", async () => {
  for (const [viewport, colorScheme] of [[DESK, "light"], [DESK, "dark"], [PHONE, "light"]]) {
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme });
    for (const path of ["/", "/clusters/east", "/clusters/east/pods", "/clusters/east/events", "/server", "/server?show=feeds", "/server?show=limits", "/nowhere"]) {
      await go(page, path);
      await page.waitForSelector(path === "/nowhere" ? "h1" : "[role=grid], .tiles, .bounds");
      if (path.includes("/pods")) await rows(page).first().waitFor();
      await isAccessible(page, `${path}, ${colorScheme}, ${viewport.width} px`);
    }
  }
  await page.setViewportSize(DESK);
});

await step("an admin sees how near to a limit anybody is", async () => {
  await go(page, "/server?show=limits");
  const ofOneUser = page.locator(".bounds tr", { hasText: "streams.perUser" });
  await ofOneUser.waitFor();
  assert.match(await ofOneUser.innerText(), /60/);
  const other = await window.newPage();
  await go(other, "/clusters/east/pods");
  await rows(other).first().waitFor();
  await eventually("ann's stream counts", async () => /\t1\t60\t.*ann/s.test(await ofOneUser.innerText()) || (await ofOneUser.innerText()));
  await other.close();
});

await step("keys lead through a list, and a row opens beside it", async () => {
  await go(page, "/clusters/east/pods");
  await rows(page).first().waitFor();
  const second = (await rows(page).nth(1).locator("[role=gridcell]").first().textContent()) ?? "";
  for (const key of ["j", "j", "Enter"]) await page.keyboard.press(key);
  await page.waitForSelector(`.drawer h2 >> text=${second}`);
  await page.waitForSelector(".drawer >> text=Containers");
  await isAccessible(page, "an open row");
  await page.click("role=tab[name=YAML]");
  await page.waitForSelector(".yaml >> text=apiVersion");
  await isAccessible(page, "its YAML");
  await page.keyboard.press("ArrowRight");
  await page.waitForSelector(".drawer .events", { state: "attached" });
  await page.keyboard.press("Escape");
  await eventually("closed", async () => (await page.locator(".drawer").count()) === 0);
  await page.keyboard.press("j");
  const active = await page.locator("[role=grid]").getAttribute("aria-activedescendant");
  assert.equal(await rows(page).nth(2).getAttribute("id"), active);
  await page.keyboard.press("/");
  await page.keyboard.type("no-pod-is-called-that");
  await absence(page, "filtered");
  await page.keyboard.press("Escape");
  await rows(page).first().waitFor();
});

await step("a label narrows the list on the server, and what is no selector is told", async () => {
  await go(page, "/clusters/east/pods");
  await rows(page).first().waitFor();
  const all = await page.textContent(".statusbar .count");
  await page.fill("[aria-label='Label selector']", "app in (web");
  await page.keyboard.press("Enter");
  await page.waitForSelector(".mistake >> text=not closed");
  await page.fill("[aria-label='Label selector']", "app=web");
  await page.keyboard.press("Enter");
  await eventually("narrowed", async () => {
    const count = await page.textContent(".statusbar .count");
    return (/^\d+ pods$/.test(count) && count !== all) || count;
  });
  assert.ok((await rows(page).allTextContents()).every((text) => text.startsWith("web-")));
  await page.fill("[aria-label='Label selector']", "app=nobody-has-it");
  await page.keyboard.press("Enter");
  await absence(page, "empty");
  await isAccessible(page, "an empty list");
  await page.click("text=Clear the selector");
  await rows(page).first().waitFor();
});

await step("namespaces are picked from those that there are", async () => {
  await page.click(".picker > button");
  await page.check("label:has-text('payments') input");
  await eventually("only payments", async () => {
    const cells = await page.locator("[role=grid] .body [role=row] [role=gridcell]:nth-child(2)").allTextContents();
    return (cells.length > 0 && cells.every((cell) => cell === "payments")) || cells;
  });
  await isAccessible(page, "the picker");
  await page.keyboard.press("Escape");
  assert.match(page.url(), /namespace=payments/);
});

await step("who may see a part is told so", async () => {
  await provider("groups?group=web");
  const { window: bobs, page: bob } = await windowOf("bob");
  await go(bob, "/clusters/east/pods");
  await rows(bob).first().waitFor();
  await bob.waitForSelector(".bar.part");
  const namespaces = await bob.locator("[role=grid] .body [role=row] [role=gridcell]:nth-child(2)").allTextContents();
  assert.ok(namespaces.every((namespace) => ["payments", "shop"].includes(namespace)), namespaces.join());
  await isAccessible(bob, "a part of a list");
  await go(bob, "/clusters/east/nodes");
  await absence(bob, "denied");
  await go(bob, "/server");
  await bob.waitForSelector("text=This page is for admins");
  await bobs.close();
});

await step("who may see nothing is told that, and not that there is nothing", async () => {
  const { window: eves, page: eve } = await windowOf("eve");
  await go(eve, "/clusters/east/pods");
  await absence(eve, "denied");
  assert.match(await eve.textContent("[data-absence=denied]"), /You may not list pods in east/);
  await isAccessible(eve, "a list that is not shown");
  await eves.close();
});

await step("a cluster that does not answer: rows stay, and it is told as of when they are", async () => {
  await go(page, "/clusters/east/pods");
  await rows(page).first().waitFor();
  await eventually("live", () => isLive(page));
  await sim("faults", { fault: "stall" });
  await sim("faults", { fault: "drop-connections" });
  await eventually("stale", async () => (await phase(page)) === "stale" || (await phase(page)), 60_000);
  assert.ok((await rows(page).count()) > 10);
  assert.match(await page.textContent(".bar.warn"), /east does not answer. What is shown is as of/);
  await isAccessible(page, "a stale list");
  await sim("faults", undefined, "DELETE");
  await sim("churn", { paused: false });
  await go(page, "/clusters/east/pods");
  await eventually("live again", () => isLive(page), 60_000);
});

await step("a cluster that has left the registry is gone", async () => {
  const registry = readFileSync(CLUSTERS_FILE, "utf8");
  writeFileSync(CLUSTERS_FILE, registry.replace("name: east", "name: elsewhere"));
  await eventually("gone", async () => ["gone", "denied"].includes(await phase(page)) || (await phase(page)), 60_000);
  await isAccessible(page, "a list that is gone");
  writeFileSync(CLUSTERS_FILE, registry);
  await eventually("back", async () => (await (await window.request.get(`${FORETOP_URL}/api/clusters`)).text()).includes('"east"'), 60_000);
});

await step("signing out blanks every tab of the browser", async () => {
  await go(page, "/clusters/east/pods");
  await rows(page).first().waitFor();
  const other = await window.newPage();
  await go(other, "/clusters/east/services");
  await rows(other).first().waitFor();
  await page.click(".person summary");
  await isAccessible(page, "who one is");
  // Away from the provider, where ann stays signed in, the front page asks anew.
  await page.click("role=link[name='Sign out']");
  await page.waitForSelector("text=You are not signed in");
  await other.waitForSelector("text=You are not signed in");
  assert.equal(await rows(other).count(), 0);
});

await browser.close();
console.log("the console, as somebody sees it who may see all, a part, and nothing");
