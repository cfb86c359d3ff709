// A front end that was written for the older contract, and knows nothing of Foretop: what it asks when it boots, when somebody opens a list, and a row.
// Field by field what such a front end reads without asking whether it is there.

import assert from "node:assert/strict";
import { eventually } from "../../../tests/browser/steps.mjs";
import { CLUSTER } from "../house.mjs";

/** `name: type`, where a type is what `typeof` says, `array`, or a shape in braces; `name?` may be missing. */
const WHOAMI = "subject: string, email: string, groups: array, mode: string, authzMode: string, expiresAt: number";
const FLEET = "rollup: { totalClusters: number, byStatus: object, byEnvironment: object, generatedAt: string }, clusters: array";
const FLEET_CLUSTER =
  "name: string, backend: string, status: string, lastContact: string, hotSignals: array, summary?: { nodes: { ready: number, total: number }, " +
  "pods: { running: number, pending: number, failed: number, total: number }, namespaces: number, stuckOrFailed: number }";
const COUNT = "{ total: number, healthy: number }";
const DASHBOARD =
  "kubernetesVersion: string, provider: string, nodeCount: number, nodeReadyCount: number, podCount: number, namespaceCount: number, cpuAllocatable: string, " +
  "memoryAllocatable: string, metricsAvailable: boolean, accessibility: { nodes: string, pods: string, namespaces: string, metrics: string }, " +
  `workloads: { deployments: ${COUNT}, statefulSets: ${COUNT}, daemonSets: ${COUNT}, jobs: ${COUNT}, cronJobs: ${COUNT} }, ` +
  "podPhases: { running: number, pending: number, succeeded: number, failed: number, unknown: number, stuck: number }, " +
  "needsAttention: array, storage: { pvCount: number, pvcBound: number, pvcPending: number }";
const NAMED = "name: string, createdAt: string";
const OF_NAMESPACE = `namespace: string, ${NAMED}`;
const EVENT = "type: string, reason: string, message: string, count: number, first: string, last: string, source: string";

/** By the path's word: the list's field, a row, and what an opened row has beside it. */
const KINDS = {
  pods: ["pods", `${OF_NAMESPACE}, phase: string, ready: string, restarts: number, nodeName?: string, podIP?: string`, "containers: array"],
  events: ["events", `namespace: string, kind: string, name: string, uid: string, ${EVENT}`],
  deployments: [
    "deployments",
    `${OF_NAMESPACE}, replicas: number, readyReplicas: number, updatedReplicas: number, availableReplicas: number`,
    "strategy: string, containers: array",
  ],
  statefulsets: [
    "statefulSets",
    `${OF_NAMESPACE}, replicas: number, readyReplicas: number, updatedReplicas: number, currentReplicas: number`,
    "updateStrategy: string, containers: array",
  ],
  daemonsets: [
    "daemonSets",
    `${OF_NAMESPACE}, desiredNumberScheduled: number, numberReady: number, updatedNumberScheduled: number, numberAvailable: number, ` +
      "numberMisscheduled: number",
    "updateStrategy: string, containers: array",
  ],
  replicasets: ["replicaSets", `${OF_NAMESPACE}, desired: number, current: number, ready: number, owner: string`, ""],
  jobs: [
    "jobs",
    `${OF_NAMESPACE}, completions: string, status: string`,
    "parallelism: number, backoffLimit: number, active: number, succeeded: number, failed: number, suspend: boolean, " +
      "containers: array, pods: array",
  ],
  cronjobs: [
    "cronJobs",
    `${OF_NAMESPACE}, schedule: string, suspend: boolean, active: number`,
    "concurrencyPolicy: string, successfulJobsHistoryLimit: number, failedJobsHistoryLimit: number, containers: array, jobs: array",
  ],
  horizontalpodautoscalers: [
    "hpas",
    `${OF_NAMESPACE}, target: string, minReplicas: number, maxReplicas: number, currentReplicas: number, desiredReplicas: number, ` +
      "ready: boolean",
    "",
  ],
  poddisruptionbudgets: [
    "pdbs",
    `${OF_NAMESPACE}, minAvailable: string, maxUnavailable: string, currentHealthy: number, desiredHealthy: number, ` +
      "expectedPods: number, disruptionsAllowed: number",
    "selector: string",
  ],
  services: ["services", `${OF_NAMESPACE}, type: string, ports: array`, ""],
  ingresses: ["ingresses", `${OF_NAMESPACE}, hosts: array`, "rules: array"],
  networkpolicies: ["networkPolicies", `${OF_NAMESPACE}, podSelector: string, policyTypes: array`, ""],
  endpointslices: ["endpointSlices", `${OF_NAMESPACE}, addressType: string, ports: array, readyCount: number, totalCount: number`, ""],
  ingressclasses: ["ingressClasses", `${NAMED}, controller: string, isDefault: boolean`, "parameters: string"],
  pvs: ["pvs", `${NAMED}, status: string, accessModes: array`, ""],
  pvcs: ["pvcs", `${OF_NAMESPACE}, status: string, accessModes: array`, ""],
  storageclasses: ["storageClasses", `${NAMED}, provisioner: string, allowVolumeExpansion: boolean`, ""],
  nodes: [
    "nodes",
    `${NAMED}, status: string, roles: array, kubeletVersion: string, internalIP: string, cpuCapacity: string, memoryCapacity: string, unschedulable: boolean`,
    "conditions: array, nodeInfo: { osImage: string, kernelVersion: string, containerRuntime: string, kubeletVersion: string, kubeProxyVersion: string }, cpuAllocatable: string, memoryAllocatable: string",
  ],
  namespaces: ["namespaces", `${NAMED}, phase: string`, ""],
  priorityclasses: ["priorityClasses", `${NAMED}, value: number, globalDefault: boolean, preemptionPolicy: string`, "description: string"],
  runtimeclasses: ["runtimeClasses", `${NAMED}, handler: string, cpuOverhead: string, memoryOverhead: string`, ""],
};

/** What another backend answers, and must not look like an empty list. */
const ELSEWHERE = ["configmaps", "secrets", "roles", "serviceaccounts", "resources/core/v1/pods/shop/a/meta", "openapi/v3/api/v1", "nodes/worker-1/metrics"];

/** Each field of a shape that is not what the shape says. */
function wrong(value, shape, at = "") {
  const found = [];
  for (const [, name, optional, nested, type] of shape.matchAll(/(\w+)(\?)?: (?:(\{(?:[^{}]|\{[^{}]*\})*\})|(\w+))/g)) {
    const here = `${at}.${name}`;
    const field = value?.[name];
    if (field === undefined && optional) continue;
    if (nested) found.push(...wrong(field, nested.slice(1, -1), here));
    else if (typeOf(field) !== type) found.push(`${here} is ${JSON.stringify(field)} and no ${type}`);
  }
  return found;
}

function typeOf(value) {
  if (Array.isArray(value)) return "array";
  return value === null ? "null" : typeof value;
}

const fits = (what, value, shape) => assert.deepEqual(wrong(value, shape), [], what);

/** Asks as such a front end does, from a page of this origin. */
const asker = (page) => ({
  json: async (path, body) => {
    const { status, text } = await page.evaluate(
      async ([path, body]) => {
        const headers = { Accept: "application/json", ...(body && { "Content-Type": "application/json" }) };
        const response = await fetch(path, { headers, ...(body && { method: "POST", body: JSON.stringify(body) }) });
        return { status: response.status, text: await response.text() };
      },
      [path, body],
    );
    return { status, body: JSON.parse(text) };
  },
  text: (path) => page.evaluate(async (path) => (await fetch(path)).text(), path),
});

export const contract = {
  "a front end that is written for the contract boots, lists, streams and opens rows": {
    async run({ house, browser }) {
      await house.startSim({ pods: 80 });
      const settings = { auth: { mode: "dev" }, authorization: { mode: "shared" }, streams: { refusal: "event" } };
      const foretop = await house.startForetop({ settings });
      const page = await (await browser.newContext()).newPage();
      await page.goto(`http://localhost:${foretop.port}/api/features`);
      const ask = asker(page);
      const answered = async (path, shape, body) => {
        const answer = await ask.json(path, body);
        assert.equal(answer.status, 200, `${path}: ${JSON.stringify(answer.body)}`);
        fits(path, answer.body, shape);
        return answer.body;
      };

      await answered("/api/auth/whoami", WHOAMI);
      const fleet = await answered("/api/fleet", FLEET);
      for (const cluster of fleet.clusters) fits("a cluster of the fleet", cluster, FLEET_CLUSTER);
      const features = await answered("/api/features", "channel: string, commit: string, version: string, watchStreams: array");
      assert.deepEqual(features.watchStreams, Object.keys(KINDS));
      const { clusters } = await answered("/api/clusters", "clusters: array");
      fits("a cluster", clusters[0], "name: string, backend: string, execEnabled: boolean");
      const of = `/api/clusters/${CLUSTER}`;
      assert.deepEqual((await answered(`${of}/crds`, "crds: array")).crds, []);
      await answered(`${of}/dashboard`, DASHBOARD);

      let opened = 0;
      for (const [kind, [field, row, detail]] of Object.entries(KINDS)) {
        const list = await answered(`${of}/${kind}`, `${field}: array`);
        assert.deepEqual(Object.keys(list), [field]);
        for (const item of list[field].slice(0, 20)) fits(`a row of ${kind}`, item, row);
        const [first] = list[field];
        if (!first || detail === undefined) continue;
        const object = `${of}/${kind}/${first.namespace ? `${first.namespace}/` : ""}${first.name}`;
        await answered(object, [row, detail].filter(Boolean).join(", "));
        for (const event of (await answered(`${object}/events`, "events: array")).events) fits(`an event of ${object}`, event, EVENT);
        assert.match(await ask.text(`${object}/yaml`), /^apiVersion: /m);
        opened += 1;
      }
      const checks = ["delete", "patch"].map((verb) => ({ verb, resource: "pods", namespace: "shop" }));
      const { results } = await answered(`${of}/can-i`, "results: array", { checks });
      assert.equal(results.length, checks.length);
      for (const result of results) fits("a decision", result, "allowed: boolean, reason: string");
      const found = await answered(`${of}/search?q=a&limit=10`, "results: array");
      for (const result of found.results) fits("a find", result, "kind: string, name: string, score: number");
      for (const path of ELSEWHERE) {
        const { status, body } = await ask.json(`${of}/${path}`);
        assert.deepEqual([status, body.error?.code], [501, "not_here"], path);
      }

      await page.evaluate((url) => {
        window.told = [];
        window.source = new EventSource(url);
        for (const name of ["snapshot", "added", "modified", "deleted"]) {
          window.source.addEventListener(name, ({ data, lastEventId }) => window.told.push({ name, lastEventId, data: JSON.parse(data) }));
        }
      }, `${of}/pods/watch`);
      const told = () => page.evaluate(() => window.told);
      await eventually("a snapshot, and changes", async () => (await told()).length > 3);
      const [snapshot, ...deltas] = await told();
      assert.equal(snapshot.name, "snapshot");
      fits("a snapshot", snapshot.data, "resourceVersion: string, items: array");
      assert.equal(snapshot.lastEventId, snapshot.data.resourceVersion);
      for (const item of snapshot.data.items) fits("a row of a snapshot", item, KINDS.pods[1]);
      for (const delta of deltas) fits("a change", delta.data.object, KINDS.pods[1]);
      // A browser's own way back, which such a front end leaves it to.
      await house.kill(foretop);
      await house.startForetop({ port: foretop.port, settings });
      const before = (await told()).length;
      await eventually("more after a restart", async () => (await told()).length > before);
      await page.evaluate(() => window.source.close());
      return `${opened} kinds had an object to open`;
    },
  },
};
