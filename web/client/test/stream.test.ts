// A client alone with a server: what becomes of a stream.

import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createClient } from "../src/client.ts";
import type { Client, State } from "../src/types.ts";
import { FakeServer, pod, refusal } from "./server.ts";

let server: FakeServer;
let client: Client;
const spec = { cluster: "east", kind: "pods" };

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.5);
  server = new FakeServer();
  server.put("east", "pods", pod("a"));
  server.put("east", "pods", pod("b"));
  client = createClient({ base: "http://foretop.test", fetch: server.fetch });
});

afterEach(() => {
  client.close();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

function watch(of: Parameters<Client["watch"]>[0] = spec) {
  const states: State[] = [];
  const changes: { put: string[]; removed: string[] }[] = [];
  const watching = client.watch(of, {
    state: (state) => states.push(state),
    changed: ({ put, removed }) => changes.push({ put: put.map(({ name }) => name), removed: [...removed] }),
  });
  return { watching, states, changes, names: () => [...watching.rows.values()].map(({ name }) => name) };
}

const passes = (ms: number) => vi.advanceTimersByTimeAsync(ms);

describe("a stream", () => {
  it("brings a snapshot, then what changes", async () => {
    const { watching, changes, names } = watch();
    expect(watching.state).toMatchObject({ phase: "connecting", complete: false, asOf: null });
    await passes(300);
    expect(names()).toEqual(["a", "b"]);
    expect(watching.state).toMatchObject({ phase: "live", complete: true, namespaces: null });
    server.put("east", "pods", pod("c"));
    server.remove("east", "pods", "uid-a");
    await passes(300);
    expect(names()).toEqual(["b", "c"]);
    expect(changes.at(-1)).toEqual({ put: ["c"], removed: ["uid-a"] });
    expect(client.health).toMatchObject({ home: "alone", link: "open", opened: 1, views: 1 });
  });

  it("says of an empty list that it is whole", async () => {
    const { watching, names } = watch({ cluster: "east", kind: "services" });
    await passes(300);
    expect([names(), watching.state.complete, watching.state.phase]).toEqual([[], true, "live"]);
  });

  it("is one for all views, and equal views are one", async () => {
    watch();
    watch({ ...spec, namespaces: [] });
    watch({ cluster: "east", kind: "services" });
    await passes(300);
    const { watching } = watch({ cluster: "east", kind: "nodes" });
    await passes(300);
    expect(server.open).toHaveLength(1);
    expect(server.open[0]?.views.size).toBe(3);
    watching.close();
    await passes(15_000);
    expect(server.open[0]?.views.size).toBe(2);
  });

  it("gives who comes later the rows that are there, and asks for nothing", async () => {
    watch();
    await passes(300);
    const before = server.requests.length;
    const { names, watching } = watch();
    await passes(60);
    expect([names(), watching.state.complete]).toEqual([["a", "b"], true]);
    expect(server.requests).toHaveLength(before);
  });

  it("goes on where it was after it broke off", async () => {
    const { names, changes, states } = watch();
    await passes(300);
    server.open[0]?.end(new Error("reset"));
    server.put("east", "pods", pod("c"));
    await passes(3_000);
    expect(names()).toEqual(["a", "b", "c"]);
    expect(server.asked.at(-1)?.[0]?.position).toBe("102");
    expect(changes.flatMap(({ put }) => put)).toEqual(["a", "b", "c"]);
    expect(states.map(({ phase }) => phase)).toContain("connecting");
    expect(states.at(-1)?.phase).toBe("live");
  });

  it("comes back no sooner than the server says", async () => {
    watch();
    await passes(300);
    server.open[0]?.say("bye", undefined, { reason: "max_age", retryMs: 2_700 });
    await passes(2_600);
    expect(server.asked).toHaveLength(1);
    await passes(200);
    expect(server.asked).toHaveLength(2);
  });

  it("leaves a server that refuses alone for as long as it says", async () => {
    server.faults.refuse = () => refusal(429, "too_many_streams", { headers: { "retry-after": "7" } });
    const { watching } = watch();
    await passes(6_900);
    expect(server.asked).toHaveLength(1);
    expect(watching.state).toMatchObject({ phase: "connecting", message: "too_many_streams" });
    delete server.faults.refuse;
    await passes(2_000);
    expect(watching.state.phase).toBe("live");
  });

  it("tries less and less often while there is no network", async () => {
    server.faults.away = true;
    watch();
    await passes(300_000);
    expect(server.requests.length).toBeGreaterThan(8);
    expect(server.requests.length).toBeLessThan(60);
  });

  it("is opened anew with everything where another replica answers", async () => {
    const { names } = watch();
    await passes(300);
    server.faults.elsewhere = true;
    const other = watch({ cluster: "east", kind: "services" });
    await passes(2_000);
    expect(server.open).toHaveLength(1);
    expect(server.asked.at(-1)?.map(({ kind, position }) => [kind, position])).toEqual([["pods", "102"], ["services", undefined]]);
    expect(names()).toEqual(["a", "b"]);
    expect(other.watching.state.phase).toBe("live");
  });

  it("goes on without a view that is not to be had as it is asked for", async () => {
    server.faults.refuse = ({ views }) => {
      const wrong = views.findIndex(({ labelSelector }) => labelSelector === "=");
      return wrong < 0 ? undefined : refusal(400, "bad_views", { message: `views[${wrong}].labelSelector: begins with =` });
    };
    const [good, bad] = [watch(), watch({ ...spec, labelSelector: "=" })];
    await passes(1_000);
    expect(good.watching.state.phase).toBe("live");
    expect(bad.watching.state).toMatchObject({ phase: "denied", code: "invalid", message: "views[1].labelSelector: begins with =" });
  });

  it("drops the rows of a view that is denied at once, and asks again after a while", async () => {
    const { watching, names } = watch();
    await passes(300);
    server.denied.set("east/pods", "forbidden");
    const ref = server.asked[0]?.[0]?.ref;
    server.open[0]?.say("denied", undefined, { ref, code: "forbidden", message: "no" });
    await passes(100);
    expect(names()).toEqual([]);
    expect(watching.state).toMatchObject({ phase: "denied", code: "forbidden", message: "no", complete: false });
    server.denied.clear();
    await passes(7_000);
    expect([names(), watching.state.complete]).toEqual([["a", "b"], true]);
  });

  it("asks for what stays denied less and less often, and for what is lost later soon again", async () => {
    server.denied.set("east/pods", "forbidden");
    watch();
    watch({ cluster: "east", kind: "services" });
    const asks = () => server.requests.filter((request) => request.endsWith("/views")).length;
    const minutes = async (count: number) => {
      for (let quarter = 0; quarter < 4 * count; quarter += 1) {
        await passes(15_000);
        server.beat();
      }
    };
    // After 6, 12, 25, then every 50 s.
    await minutes(5);
    expect(asks()).toBe(8);
    server.denied.clear();
    await minutes(1);
    const before = asks();
    const ref = [...(server.open[0]?.views.keys() ?? [])].at(-1);
    server.open[0]?.say("denied", undefined, { ref, code: "forbidden" });
    await passes(7_000);
    expect(asks()).toBe(before + 1);
  });

  it("drops rows of namespaces that are no longer shown before the new snapshot", async () => {
    server.put("east", "pods", pod("z", { namespace: "secret" }));
    const { names, watching } = watch();
    await passes(300);
    const ref = server.asked[0]?.[0]?.ref;
    server.open[0]?.say("view", "99", { ref, namespaces: ["default"], resumed: false });
    await passes(100);
    expect(names()).toEqual(["a", "b"]);
    expect(watching.state.namespaces).toEqual(["default"]);
    server.put("east", "pods", pod("y", { namespace: "secret" }));
    await passes(100);
    expect(names()).toEqual(["a", "b"]);
  });

  it("ignores events, fields and states that it does not know", async () => {
    const { watching, names } = watch();
    await passes(300);
    server.open[0]?.say("novelty", "1/7", "what is that");
    server.open[0]?.say("novelty", undefined, []);
    server.beat("splendid");
    server.open[0]?.say("added", "777/1", { object: pod("stranger") });
    await passes(100);
    expect([watching.state.phase, names()]).toEqual(["live", ["a", "b"]]);
  });

  it("keeps no position in a gap and from a snapshot that is not whole", async () => {
    watch();
    await passes(300);
    server.open[0]?.say("gap", "1", {});
    server.open[0]?.say("added", "1", { object: pod("c") });
    server.open[0]?.end(new Error("reset"));
    await passes(2_000);
    expect(server.asked.at(-1)?.[0]?.position).toBe("102");
    server.open[0]?.say("begin", "1", { rv: "1", count: 9 });
    server.open[0]?.end(new Error("reset"));
    await passes(4_000);
    expect(server.asked.at(-1)?.[0]?.position).toBeUndefined();
  });
});

describe("what a list says of itself", () => {
  it("is live no longer than the server promised since it last heard of the cluster", async () => {
    const { watching } = watch();
    await passes(300);
    await passes(14_000);
    server.beat("live", 900);
    await passes(100);
    const heardAt = Date.now() - 100 - 900;
    while (Date.now() - heardAt <= 24_900) {
      expect(watching.state.phase).toBe("live");
      await passes(100);
    }
    await passes(200);
    expect(watching.state).toMatchObject({ phase: "stale", complete: true });
    expect(Math.abs((watching.state.asOf ?? 0) - heardAt)).toBeLessThan(5);
  });

  it("is told as soon as it is stale, without anybody asking", async () => {
    const { states } = watch();
    await passes(27_000);
    expect(states.map(({ phase }) => phase).slice(-2)).toEqual(["live", "stale"]);
  });

  it("counts the time that a proxy held a heartbeat back", async () => {
    const { watching } = watch();
    await passes(300);
    const made = Date.now();
    await passes(14_000);
    server.beat("live", 0, made);
    await passes(100);
    expect(watching.state.phase).toBe("live");
    await passes(11_500);
    expect(watching.state.phase).toBe("stale");
  });

  it("is stale where the cluster is away, though the stream is well", async () => {
    const { watching } = watch();
    await passes(300);
    server.beat("stale", 16_000);
    await passes(100);
    expect(watching.state.phase).toBe("stale");
    expect(client.health.link).toBe("open");
  });

  it("is never live as of nobody knows when", async () => {
    const { watching } = watch();
    await passes(300);
    server.open[0]?.say("status", "1", { state: "stale" });
    await passes(100);
    expect(watching.state.phase).toBe("stale");
    server.open[0]?.say("status", "1", { state: "live" });
    await passes(26_000);
    expect(watching.state.phase).not.toBe("live");
  });

  it("gives up a stream on which nothing comes any more", async () => {
    const { watching } = watch();
    await passes(34_000);
    expect(server.streams[0]?.isOpen).toBe(false);
    expect(server.asked).toHaveLength(2);
    expect(watching.state.phase).toBe("live");
  });
});

describe("polling", () => {
  it("takes the place of a stream whose body does not come within 3 s", async () => {
    server.faults.buffers = "body";
    const { watching, names } = watch();
    await passes(4_500);
    expect(names()).toEqual(["a", "b"]);
    expect(watching.state).toMatchObject({ phase: "polling", complete: true });
    expect(client.health).toMatchObject({ link: "polling", message: "a proxy holds the stream back" });
    server.put("east", "pods", pod("c"));
    await passes(7_000);
    expect(names()).toEqual(["a", "b", "c"]);
  });

  it("takes the place of a stream whose head does not come, and asks for what changed alone", async () => {
    server.faults.buffers = "head";
    const { watching } = watch();
    await passes(30_000);
    expect(watching.state.phase).toBe("polling");
    const lists = server.requests.filter((request) => request === "GET /api/clusters/east/pods").length;
    expect(lists).toBeGreaterThan(3);
    expect(lists).toBeLessThan(8);
  });

  it("gives way to a stream when there is one again", async () => {
    server.faults.buffers = "body";
    const { watching, changes } = watch();
    await passes(10_000);
    server.faults.buffers = undefined;
    await passes(65_000);
    expect(watching.state.phase).toBe("live");
    expect(changes).toHaveLength(1);
    const requests = server.requests.length;
    await passes(10_000);
    expect(server.requests).toHaveLength(requests);
  });

  it("takes the place of streams that are cut after the same silence again and again", async () => {
    const { watching } = watch();
    for (let seconds = 0; seconds < 60 && watching.state.phase !== "polling"; seconds += 10) {
      await passes(10_000);
      server.open[0]?.end(new Error("504"));
      await passes(2_500);
    }
    expect(watching.state.phase).toBe("polling");
    expect(client.health.message).toBe("a proxy cuts streams that are silent for a while");
  });

  it("is what one does with a server that has no multiplexed stream", async () => {
    server.faults.refuse = () => new Response("404 page not found\n", { status: 404 });
    const { watching } = watch();
    await passes(500);
    expect(watching.state.phase).toBe("polling");
  });

  it("says what is denied, and is stale when answers stay away", async () => {
    server.faults.buffers = "head";
    server.denied.set("east/secrets", "forbidden");
    const [pods, secrets] = [watch(), watch({ cluster: "east", kind: "secrets" })];
    await passes(8_000);
    expect(secrets.watching.state).toMatchObject({ phase: "denied", code: "forbidden" });
    server.faults.away = true;
    await passes(40_000);
    expect(pods.watching.state).toMatchObject({ phase: "stale", complete: true });
    expect(pods.names()).toEqual(["a", "b"]);
  });
});

describe("the session", () => {
  it("that ends takes every row with it", async () => {
    const { watching, names } = watch();
    await passes(300);
    server.session = null;
    server.open[0]?.say("bye", undefined, { reason: "session_revoked", retryMs: 0 });
    await passes(50);
    expect(names()).toEqual([]);
    expect(watching.state).toMatchObject({ phase: "denied", code: "unauthenticated" });
  });

  it("that is another person's on the next stream takes every row with it, before a row of the new one", async () => {
    const { names, changes } = watch();
    await passes(300);
    server.open[0]?.end(new Error("reset"));
    server.session = "tag-b";
    server.list("east", "pods").rows.clear();
    server.put("east", "pods", pod("of-b"));
    await passes(5_000);
    expect(names()).toEqual(["of-b"]);
    expect(changes.slice(1)).toEqual([{ put: [], removed: ["uid-a", "uid-b"] }, { put: ["of-b"], removed: [] }]);
  });

  it("that is over is not asked for as fast as one can", async () => {
    server.session = null;
    watch();
    await passes(600_000);
    expect(server.requests.length).toBeLessThan(70);
  });
});

describe("a list that is asked for once", () => {
  it("has its rows, and when they were true", async () => {
    const { rows, asOf, namespaces } = await client.list(spec);
    expect(rows.map(({ name }) => name)).toEqual(["a", "b"]);
    expect([asOf, namespaces]).toEqual([Date.now() - 40, null]);
  });

  it("rejects with what the server said", async () => {
    server.denied.set("east/pods", "forbidden");
    await expect(client.list(spec)).rejects.toMatchObject({ name: "Refused", status: 403, code: "forbidden" });
  });
});
