// Signing in with a real browser, twenty tabs at once, and what ends it. Run by run.sh.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { chromium } from "playwright-core";

import { eventually, passProvider, step } from "./steps.mjs";

const { CHROMIUM, FORETOP_URL, PROVIDER_URL } = process.env;

// A window is a browser context. Chromium opens six connections to a host over HTTP/1.1, of which a stream takes one for good: so the twenty tabs
// are five in each of four windows that have the session's cookies. Each window then renews them on its own, which is harder than one jar for all.
const WINDOWS = 4;
const TABS = 5;

const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
const newWindow = (storageState) => browser.newContext({ ignoreHTTPSErrors: true, storageState });

const provider = async (path) => (await fetch(`${PROVIDER_URL}/_test/${path}`)).json();

/** Signs in by the provider's own pages. Returns the callback's URL. */
async function signIn(window, user) {
  const page = await window.newPage();
  let callback;
  page.on("request", (request) => {
    if (request.url().startsWith(`${FORETOP_URL}/api/auth/callback`)) callback = request.url();
  });
  await page.goto(`${FORETOP_URL}/api/auth/login?returnTo=/api/features`);
  await passProvider(page, FORETOP_URL, user);
  assert.equal(page.url(), `${FORETOP_URL}/api/features`, "back where one wanted to go");
  const who = await (await whoami(window)).json();
  await page.close();
  return { callback, who };
}

/** A tab with a live list: what it was told is in its `told`. */
async function openTab(window) {
  const page = await window.newPage();
  await page.goto(`${FORETOP_URL}/api/features`);
  await page.evaluate(() => {
    window.told = [];
    window.stream = new EventSource("/api/clusters/east/pods/watch");
    for (const name of ["snapshot", "added", "modified", "deleted", "relist", "auth_expired", "error"]) {
      window.stream.addEventListener(name, (event) => event.data !== undefined && window.told.push(name));
    }
  });
  return page;
}

const told = (tabs, name) => Promise.all(tabs.map((tab) => tab.evaluate((name) => window.told.filter((told) => told === name).length, name)));
const all = (counts, least) => (counts.every((count) => count >= least) ? true : counts);
const whoami = (window) => window.request.get(`${FORETOP_URL}/api/auth/whoami`, { maxRedirects: 0 });

const first = await newWindow();

await step("without a session there is nothing", async () => {
  assert.equal((await whoami(first)).status(), 401);
});

const { callback, who } = await step("signing in through the provider's own pages", () => signIn(first, "ann"));
assert.equal(who.subject, "ann");
assert.deepEqual(who.groups, ["ops", "web"]);
assert.equal(who.mode, "oidc");
assert.ok(who.expiresAt > Date.now() / 1000);

await step("the session is a cookie that only this host gets back, over TLS, and no script", async () => {
  const cookies = (await first.cookies(FORETOP_URL)).filter((cookie) => cookie.name.startsWith("__Host-"));
  assert.ok(cookies.length > 0, "there is one");
  for (const cookie of cookies) {
    assert.ok(cookie.secure && cookie.httpOnly && cookie.path === "/" && cookie.sameSite === "Lax", JSON.stringify(cookie.name));
  }
});

const state = await first.storageState();
const windows = [first, ...(await Promise.all(Array.from({ length: WINDOWS - 1 }, () => newWindow(state))))];
const tabs = await step("twenty tabs are live", async () => {
  const tabs = await Promise.all(windows.flatMap((window) => Array.from({ length: TABS }, () => openTab(window))));
  await eventually("a snapshot in each", async () => all(await told(tabs, "snapshot"), 1));
  await eventually("a change in each", async () => all(await told(tabs, "modified"), 1));
  return tabs;
});

await step("the session is refreshed under twenty tabs without one refresh token used twice", async () => {
  await eventually("three refreshes", async () => {
    const answers = await Promise.all(tabs.map((tab) => tab.evaluate(async () => (await fetch("/api/auth/whoami")).status)));
    assert.deepEqual(new Set(answers), new Set([200]));
    const counted = await provider("counted");
    assert.deepEqual(counted.refused, [], "the provider has refused nothing");
    assert.equal(counted.reused, 0);
    return counted.refreshes >= 3 || counted;
  }, 90_000);
  assert.equal((await provider("counted")).codes, 1, "one sign-in");
});

await step("groups that change at the provider change here with the next refresh", async () => {
  await provider("groups?group=ops");
  await eventually("one group", async () => {
    const { groups } = await (await whoami(first)).json();
    return groups.join() === "ops" || groups;
  });
});

await step("a code and a state are good once, and only in the browser that asked", async () => {
  const stranger = await newWindow();
  const replayed = await stranger.request.get(callback, { maxRedirects: 0 });
  assert.equal(replayed.status(), 400, "no login cookie");
  await stranger.request.get(`${FORETOP_URL}/api/auth/login`, { maxRedirects: 0 });
  const swapped = await stranger.request.get(callback, { maxRedirects: 0 });
  assert.equal(swapped.status(), 400, "another state's login cookie");
  assert.equal((await whoami(stranger)).status(), 401);
  const again = await first.request.get(callback, { maxRedirects: 0 });
  assert.ok([302, 303].includes(again.status()), "where one is signed in, it only goes on");
  assert.equal((await provider("counted")).codes, 1, "no code was redeemed twice");
  await stranger.close();
});

await step("a robot's token is taken, and no browser's cookie beside it", async () => {
  const robot = await fetch(`${PROVIDER_URL}/token`, {
    method: "POST",
    headers: { authorization: `Basic ${Buffer.from("robot:a-robots-secret").toString("base64")}` },
    body: new URLSearchParams({ grant_type: "client_credentials", resource: FORETOP_URL }),
  });
  const { access_token: token } = await robot.json();
  const headers = { authorization: `Bearer ${token}` };
  const stranger = await newWindow();
  const alone = await stranger.request.get(`${FORETOP_URL}/api/auth/whoami`, { headers });
  assert.equal(alone.status(), 200);
  assert.equal((await alone.json()).subject, "robot");
  const both = await first.request.get(`${FORETOP_URL}/api/auth/whoami`, { headers });
  assert.equal(both.status(), 400);
  const forged = { authorization: `Bearer ${token.slice(0, -8)}AAAAAAAA` };
  assert.equal((await stranger.request.get(`${FORETOP_URL}/api/auth/whoami`, { headers: forged })).status(), 401);
  await stranger.close();
});

await step("signing out ends every tab, and copies of the cookie are no longer good", async () => {
  const copied = await newWindow(await first.storageState());
  assert.equal((await whoami(copied)).status(), 200, "a copy is as good as the original until then");
  // Not by a page: that would go on to `/`, and the provider, where ann is still signed in, would sign her in again.
  assert.ok([302, 303].includes((await first.request.get(`${FORETOP_URL}/api/auth/logout`, { maxRedirects: 0 })).status()));
  await eventually("told in each tab", async () => all(await told(tabs, "auth_expired"), 1), 6_000);
  for (const window of [...windows, copied]) assert.equal((await whoami(window)).status(), 401);
  await copied.close();
});

await step("signing out at the provider ends it here (back-channel)", async () => {
  const window = await newWindow();
  await signIn(window, "bob");
  const tab = await openTab(window);
  await eventually("a snapshot", async () => all(await told([tab], "snapshot"), 1));
  const copied = await newWindow(await window.storageState());
  const page = await window.newPage();
  await page.goto(`${PROVIDER_URL}/session/end`);
  await Promise.all([page.waitForNavigation(), page.click("button[value=yes], button[name=logout]")]);
  await eventually("the provider has told Foretop", async () => {
    const counted = await provider("counted");
    return counted.backchannel === 1 || counted;
  });
  await eventually("told in the tab", async () => all(await told([tab], "auth_expired"), 1), 6_000);
  assert.equal((await whoami(copied)).status(), 401);
});

await browser.close();
console.log("signed in and out through a certified provider with a real browser and twenty tabs");
