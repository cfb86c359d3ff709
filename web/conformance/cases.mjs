// What the protocol promises, a case each. A case is told of the server, and of a cluster and kind that have rows.

import assert from "node:assert/strict";

const SNAPSHOT_BYTES = 64 * 1024;
/** What beside the rows is in a snapshot's event. */
const AROUND_ROWS = 256;

const names = (rows) => [...rows].map((row) => `${row.namespace ?? ""}/${row.name}`).sort();

/** The rows of the list route. */
async function listed(server, cluster, kind, query = "") {
  const response = await server.get(`/api/clusters/${cluster}/${kind}?rows=full${query}`);
  assert.equal(response.status, 200, `GET of ${kind}`);
  const body = await response.json();
  const lists = Object.values(body).filter(Array.isArray);
  assert.equal(lists.length, 1, "one list in the answer");
  return lists[0];
}

/** Waits until a view shows what the list shows: both move. */
async function agrees(server, stream, view, cluster, kind, query = "") {
  let seen;
  for (let tries = 0; tries < 40; tries += 1) {
    const before = JSON.stringify(names(view.rows.values()));
    seen = JSON.stringify(names(await listed(server, cluster, kind, query)));
    if (seen === before || seen === JSON.stringify(names(view.rows.values()))) return;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  assert.equal(JSON.stringify(names(view.rows.values())), seen, "the stream shows what the list shows");
}

async function refused(response, status, place) {
  const text = await response.text();
  assert.equal(response.status, status, text.slice(0, 200));
  const { error } = JSON.parse(text);
  assert.ok(typeof error.code === "string" && typeof error.message === "string", text);
  if (place) assert.ok(error.message.startsWith(place), `\`${error.message}\` begins with \`${place}\``);
  return error;
}

export const cases = {
  "whoami has the session's tag, which hello repeats": async ({ server, open }) => {
    const { sessionTag } = await (await server.get("/api/auth/whoami")).json();
    assert.match(sessionTag, /^.{8,}$/);
    const stream = await open([]);
    await stream.until("hello", () => stream.hello);
    assert.equal(stream.hello.session, sessionTag);
  },

  "hello comes first, at once, and says the version": async ({ open, pods }) => {
    const stream = await open([pods("a")]);
    await stream.until("hello", () => stream.hello, 3_000);
    assert.equal(stream.log.find(({ event }) => event !== "").event, "hello");
    const { protocol, stream: id, heartbeatMs, liveMs } = stream.hello;
    assert.equal(protocol, 1);
    assert.equal(stream.response.headers.get("foretop-protocol"), "1");
    assert.match(stream.response.headers.get("content-type"), /^text\/event-stream/);
    assert.ok(id.length * 4 >= 128, `128 bits of id: ${id}`);
    assert.ok(heartbeatMs >= 2_000 && heartbeatMs <= 60_000 && liveMs > 0);
  },

  "a view begins, comes in chunks of at most 64 KiB, and is synced with its count": async ({ server, open, pods, cluster, kind }) => {
    const stream = await open([pods("a")]);
    const view = await stream.synced("a");
    assert.equal(view.resumed, false);
    assert.equal(view.namespaces, null);
    assert.equal(view.synced.resumed, false);
    assert.equal(view.synced.count, view.begun.count);
    assert.equal(view.chunks.reduce((sum, { rows }) => sum + rows, 0), view.begun.count);
    for (const { bytes, rows } of view.chunks) assert.ok(bytes <= SNAPSHOT_BYTES + AROUND_ROWS || rows === 1, `a chunk of ${bytes} bytes and ${rows} rows`);
    assert.ok(view.position, "a position");
    await agrees(server, stream, view, cluster, kind);
  },

  "rows have uid, labels and owner, and are the list's": async ({ server, open, pods, cluster, kind }) => {
    const stream = await open([pods("a")]);
    const view = await stream.synced("a");
    const [row] = view.rows.values();
    const ofList = (await listed(server, cluster, kind)).find(({ uid }) => uid === row.uid) ?? row;
    assert.deepEqual(Object.keys(row).sort(), Object.keys(ofList).sort());
    assert.deepEqual(Object.keys(row).slice(-3), ["uid", "labels", "owner"]);
    for (const { uid, labels, owner, name } of view.rows.values()) {
      assert.ok(typeof uid === "string" && uid !== "" && typeof name === "string");
      assert.ok(typeof labels === "object" && labels !== null && !Array.isArray(labels));
      assert.ok(owner === null || ["kind", "name", "uid"].every((field) => typeof owner[field] === "string"), JSON.stringify(owner));
    }
  },

  "a list without rows is synced with 0": async ({ open, pods }) => {
    const stream = await open([{ ...pods("a"), labelSelector: "no-such-label-of-any=row" }]);
    const view = await stream.synced("a");
    assert.deepEqual([view.begun.count, view.synced.count, view.rows.size], [0, 0, 0]);
  },

  "namespaces narrow a view": async ({ server, open, pods, cluster, kind, namespace }) => {
    const stream = await open([{ ...pods("a"), namespaces: [namespace] }]);
    const view = await stream.synced("a");
    assert.deepEqual(view.namespaces, [namespace]);
    assert.ok(view.rows.size > 0);
    for (const row of view.rows.values()) assert.equal(row.namespace, namespace);
    await agrees(server, stream, view, cluster, kind, `&namespace=${namespace}`);
  },

  "a label selector narrows a view": async ({ server, open, pods, cluster, kind }) => {
    const rows = await listed(server, cluster, kind);
    const [key, value] = rows.flatMap(({ labels }) => Object.entries(labels)).find(([, value]) => value !== "") ?? [];
    if (key === undefined) return "no row has a label";
    const labelSelector = `${key}=${value}`;
    const stream = await open([{ ...pods("a"), labelSelector }, { ...pods("b"), labelSelector: `${key}!=${value}` }]);
    const [those, others] = [await stream.synced("a"), await stream.synced("b")];
    assert.ok(those.rows.size > 0);
    for (const { labels } of those.rows.values()) assert.equal(labels[key], value);
    for (const { labels } of others.rows.values()) assert.notEqual(labels[key], value);
    await agrees(server, stream, those, cluster, kind, `&labelSelector=${encodeURIComponent(labelSelector)}`);
  },

  "a stream shows views of several kinds, and equal views by one number": async ({ open, pods, cluster }) => {
    const stream = await open([pods("a"), { ref: "b", cluster, kind: "nodes" }, pods("c")]);
    const [a, b, c] = [await stream.synced("a"), await stream.synced("b"), await stream.synced("c")];
    assert.equal(a.number, c.number);
    assert.notEqual(a.number, b.number);
    for (const row of b.rows.values()) assert.equal(row.namespace, undefined);
  },

  "a stream may begin without views, and be given some": async ({ open, pods }) => {
    const stream = await open([]);
    await stream.until("hello", () => stream.hello);
    const added = await stream.change({ add: [pods("a")] });
    assert.deepEqual([added.status, await added.json()], [200, { added: 1, removed: 0 }]);
    assert.ok((await stream.synced("a")).rows.size > 0);
  },

  "views are removed, and removed and added at once": async ({ open, pods }) => {
    const stream = await open([pods("a"), pods("b")]);
    await stream.synced("a");
    await stream.synced("b");
    const both = await stream.change({ remove: ["a", "was-never-there"], add: [{ ...pods("a"), labelSelector: "no-such-label-of-any=row" }] });
    assert.equal(both.status, 200);
    const { added, removed } = await both.json();
    assert.deepEqual([added, removed], [1, 1]);
    assert.equal((await stream.synced("a")).rows.size, 0);
  },

  "a ref that is there already is 400, and changes nothing": async ({ open, pods }) => {
    const stream = await open([pods("a")]);
    await stream.synced("a");
    await refused(await stream.change({ add: [pods("b"), pods("a")] }), 400, "add[1]");
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.equal(stream.views.has("b"), false);
  },

  "a stream that is not there is 404 stream_unknown": async ({ server, pods }) => {
    const error = await refused(await server.post(`/api/stream/${"0".repeat(32)}/views`, { add: [pods("a")] }), 404);
    assert.equal(error.code, "stream_unknown");
  },

  "a stream that its client has left is 404": async ({ server, open, pods }) => {
    const stream = await open([]);
    await stream.until("hello", () => stream.hello);
    stream.close();
    for (let tries = 0; ; tries += 1) {
      const response = await server.post(`/api/stream/${stream.hello.stream}/views`, { add: [pods("a")] });
      if (response.status === 404 || tries > 100) return void (await refused(response, 404));
      await response.text();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  },

  "what is wrong with a body is said before the stream, with its place": async ({ server, pods }) => {
    const bad = async (views, place) => refused(await server.post("/api/stream", { views }), 400, place);
    await refused(await server.post("/api/stream", "{not json"), 400);
    await refused(await server.post("/api/stream", []), 400);
    await bad([pods("a"), { ...pods("b"), labelSelector: "a in (" }], "views[1].labelSelector");
    await bad([{ ...pods("a"), ref: "" }], "views[0].ref");
    await bad([{ ...pods("a"), ref: "with blanks" }], "views[0].ref");
    await bad([{ ...pods("a"), ref: "x".repeat(65) }], "views[0].ref");
    await bad([pods("a"), pods("a")], "views[1].ref");
  },

  "bodies are JSON, and neither too large nor of too many views": async ({ server, pods }) => {
    const plain = await server.post("/api/stream", JSON.stringify({ views: [] }), { "content-type": "text/plain" });
    assert.equal(plain.status, 415);
    await plain.text();
    const many = await server.post("/api/stream", { views: Array.from({ length: 1_001 }, (_, index) => pods(`v${index}`)) });
    assert.equal(many.status, 400, "1,001 views");
    await many.text();
    const large = await server.post("/api/stream", JSON.stringify({ views: [] }) + " ".repeat(300 * 1024)).catch((error) => error);
    if (large instanceof Response) assert.equal(large.status, 413, "300 KiB");
  },

  "a page of another origin opens nothing": async ({ server }) => {
    const response = await server.post("/api/stream", { views: [] }, { origin: "https://elsewhere.example" });
    assert.ok([401, 403].includes(response.status), `answered ${response.status}`);
    await response.body?.cancel();
  },

  "what is not there is denied for its view alone": async ({ open, pods }) => {
    const stream = await open([{ ...pods("a"), cluster: "no-such-cluster" }, { ...pods("b"), kind: "nosuchkinds" }, pods("c")]);
    await stream.synced("c");
    await stream.until("denied", () => stream.denied.size === 2);
    assert.equal(stream.denied.get("a").code, "not_found");
    assert.ok(["not_found", "disabled"].includes(stream.denied.get("b").code));
  },

  "a stream that comes back with its positions goes on, without a snapshot": async ({ server, open, pods, cluster, kind }) => {
    const first = await open([pods("a")]);
    const { position, rows } = await first.synced("a");
    first.close();
    const second = await open([{ ...pods("again"), position }]);
    const view = await second.synced("again");
    assert.deepEqual([view.resumed, view.synced.resumed, view.synced.count, view.begun], [true, true, undefined, undefined]);
    // What was missed was told; what was not stays.
    for (const [uid, row] of rows) if (!view.rows.has(uid) && !wasDeleted(second, uid)) view.rows.set(uid, row);
    await agrees(server, second, view, cluster, kind);
  },

  "a position that is none, or another view's, gives a snapshot": async ({ open, pods }) => {
    const stream = await open([{ ...pods("a"), position: "nonsense" }, { ...pods("b"), position: "1.0123456789ab" }]);
    for (const ref of ["a", "b"]) {
      const view = await stream.synced(ref);
      assert.ok(view.begun && view.rows.size > 0, `view ${ref} begins`);
      assert.equal(view.synced.resumed, false);
    }
  },

  "changes move a view's position": async ({ server, open, pods, cluster, kind, options }) => {
    const stream = await open([pods("a")]);
    const view = await stream.synced("a");
    const before = view.position;
    try {
      await stream.until("a change", () => view.position !== before, options.changesWithinMs);
    } catch (error) {
      if (stream.error) throw error;
      return "nothing changed on this cluster";
    }
    assert.ok(view.moves > 0, "by an event of a row");
    await agrees(server, stream, view, cluster, kind);
  },

  "each view says how it stands, with each heartbeat": async ({ open, pods }) => {
    const stream = await open([pods("a")]);
    const view = await stream.synced("a");
    await stream.until("a first status", () => view.statuses.length > 0);
    const { heartbeatMs, liveMs } = stream.hello;
    const had = view.statuses.length;
    await stream.until("another within two heartbeats", () => view.statuses.length > had, 2 * heartbeatMs + 1_000);
    for (const { state, asOf, ageMs } of view.statuses) {
      assert.ok(["live", "catching_up", "stale", "gone"].includes(state), state);
      assert.ok(!Number.isNaN(Date.parse(asOf)) && ageMs >= 0);
      if (state === "live") assert.ok(ageMs <= liveMs, `live, and ${ageMs} ms old`);
    }
    const times = [stream.openedAt, ...stream.log.map(({ at }) => at)];
    const longest = Math.max(...times.slice(1).map((at, index) => at - times[index]));
    assert.ok(longest <= heartbeatMs + 2_000, `a silence of ${longest} ms`);
  },

  "the list answers polls with the same rows, an ETag, and as of when": async ({ server, cluster, kind }) => {
    const path = `/api/clusters/${cluster}/${kind}?rows=full`;
    for (let tries = 0; tries < 20; tries += 1) {
      const first = await server.get(path);
      assert.equal(first.status, 200);
      const etag = first.headers.get("etag");
      assert.ok(etag, "an ETag");
      assert.ok(!Number.isNaN(Date.parse(first.headers.get("foretop-as-of"))), "Foretop-As-Of");
      assert.match(first.headers.get("foretop-age-ms"), /^\d+$/);
      await first.arrayBuffer();
      const second = await server.get(path, { "if-none-match": etag });
      await second.arrayBuffer();
      if (second.status === 304) return;
    }
    assert.fail("never 304, in 20 tries");
  },
};

function wasDeleted(stream, uid) {
  return stream.log.some(({ event, data }) => event === "deleted" && data.object.uid === uid);
}
