// Whether a server speaks the protocol of docs/protocol.md.
//
//   node conformance/run.mjs --url http://localhost:8080 [--cluster NAME] [--kind pods] [--header 'Authorization: Bearer …'] [--only TEXT]
//
// Prints one line a case (TAP 14), and at the end `N passed, N failed, N skipped`. Cases that the cluster gives no occasion for are skipped, and say so.
import assert from "node:assert/strict";
import { parseArgs } from "node:util";
import { cases } from "./cases.mjs";
import { Server } from "./stream.mjs";

const { values } = parseArgs({
  options: {
    url: { type: "string" },
    cluster: { type: "string" },
    kind: { type: "string", default: "pods" },
    header: { type: "string", multiple: true, default: [] },
    only: { type: "string", default: "" },
    "changes-within": { type: "string", default: "20" },
  },
});
if (!values.url) {
  console.error("where is the server? --url http://localhost:8080");
  process.exit(2);
}
const headers = Object.fromEntries(values.header.map((header) => header.split(/:\s*/, 2)));
const server = new Server(values.url, headers);
const { kind } = values;
const cluster = values.cluster ?? (await firstCluster());
const namespace = await someNamespace();
const options = { changesWithinMs: Number(values["changes-within"]) * 1_000 };

async function firstCluster() {
  const response = await server.get("/api/clusters");
  assert.equal(response.status, 200, `GET /api/clusters answered ${response.status}`);
  const { clusters } = await response.json();
  assert.ok(clusters.length > 0, "the server knows a cluster");
  return clusters[0].name;
}

/** One that has rows. */
async function someNamespace() {
  const response = await server.get(`/api/clusters/${cluster}/${kind}`);
  assert.equal(response.status, 200, `the list of ${kind} of ${cluster} answered ${response.status}`);
  const rows = Object.values(await response.json()).find(Array.isArray);
  assert.ok(rows.length > 0, `there are ${kind} in ${cluster}`);
  return rows[0].namespace;
}

/** Runs a case, and closes what it opened. `undefined`: passed; a text: why there was nothing to see. */
async function run(name) {
  const opened = [];
  const open = async (views) => {
    const stream = await server.open(views);
    opened.push(stream);
    return stream;
  };
  try {
    const nothingToSee = await cases[name]({ server, open, cluster, kind, namespace, options, pods: (ref) => ({ ref, cluster, kind }) });
    for (const { error } of opened) if (error) throw error;
    return nothingToSee;
  } finally {
    for (const stream of opened) stream.close();
  }
}

const wanted = Object.keys(cases).filter((name) => name.includes(values.only));
let [passed, failed, skipped] = [0, 0, 0];
console.log(`TAP version 14\n1..${wanted.length}`);
for (const [index, name] of wanted.entries()) {
  const began = Date.now();
  try {
    const nothingToSee = await run(name);
    if (nothingToSee) skipped += 1;
    else passed += 1;
    console.log(`ok ${index + 1} - ${name}${nothingToSee ? ` # SKIP ${nothingToSee}` : ""}`);
  } catch (error) {
    failed += 1;
    console.log(`not ok ${index + 1} - ${name}\n  ---\n  message: ${JSON.stringify(error.message)}\n  ms: ${Date.now() - began}\n  ...`);
  }
}
console.log(`# ${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exit(failed === 0 ? 0 : 1);
