/** What runs. */

import { missing, seconds, type Column } from "./column.ts";
import { kind } from "./kind.ts";
import type {
  AutoscalerRow, CronJobRow, DaemonSetRow, DeploymentRow, DisruptionBudgetRow, JobRow, PodRow, ReplicaSetRow, Row, StatefulSetRow,
} from "./rows.ts";
import { ofCount, ofState } from "./tones.ts";

const group = "Workloads";
const namespaced = true;

/** A column of a number. */
function count<R>(id: string, title: string, of: (row: R) => number, width = 92): Column<R> {
  return { id, title, width, end: true, text: (row) => String(of(row)), key: of };
}

/** A column of so many out of so many. */
function ready<R extends Row>(have: (row: R) => number, want: (row: R) => number): Column<R> {
  return {
    id: "ready",
    title: "Ready",
    width: 84,
    end: true,
    always: true,
    text: (row) => `${have(row)}/${want(row)}`,
    key: (row) => missing(have(row), want(row)),
    tone: (row) => ofCount(have(row), want(row)),
  };
}

function parts(of: string): [number, number] {
  const [have, want] = of.split("/").map(Number);
  return [have ?? 0, want ?? 0];
}

export const pods = kind<PodRow>({ name: "pods", object: "Pod", title: "Pods", one: "pod", group, namespaced }, [
  {
    id: "ready",
    title: "Ready",
    width: 72,
    end: true,
    text: (row) => row.ready,
    key: (row) => missing(...parts(row.ready)),
  },
  {
    id: "status",
    title: "Status",
    width: 164,
    always: true,
    text: (row) => row.phase,
    tone: (row) => ofState(row.phase),
    below: (row) => `${row.ready} ready`,
  },
  {
    ...count<PodRow>("restarts", "Restarts", (row) => row.restarts, 96),
    tone: (row) => (row.restarts > 0 ? "warn" : undefined),
  },
  { id: "ip", title: "IP", width: 120, text: (row) => row.podIP ?? "" },
  { id: "node", title: "Node", width: 150, grow: 1, text: (row) => row.nodeName ?? "" },
]);

export const deployments = kind<DeploymentRow>({ name: "deployments", object: "Deployment", title: "Deployments", one: "deployment", group, namespaced }, [
  ready((row) => row.readyReplicas, (row) => row.replicas),
  count("updated", "Up to date", (row) => row.updatedReplicas),
  count("available", "Available", (row) => row.availableReplicas),
]);

export const statefulsets = kind<StatefulSetRow>({ name: "statefulsets", object: "StatefulSet", title: "Stateful sets", one: "stateful set", group, namespaced }, [
  ready((row) => row.readyReplicas, (row) => row.replicas),
  count("updated", "Up to date", (row) => row.updatedReplicas),
  count("current", "Current", (row) => row.currentReplicas),
]);

export const daemonsets = kind<DaemonSetRow>({ name: "daemonsets", object: "DaemonSet", title: "Daemon sets", one: "daemon set", group, namespaced }, [
  ready((row) => row.numberReady, (row) => row.desiredNumberScheduled),
  count("updated", "Up to date", (row) => row.updatedNumberScheduled),
  count("available", "Available", (row) => row.numberAvailable),
  {
    ...count<DaemonSetRow>("misscheduled", "Misscheduled", (row) => row.numberMisscheduled, 108),
    tone: (row) => (row.numberMisscheduled > 0 ? "warn" : undefined),
  },
]);

export const replicasets = kind<ReplicaSetRow>({ name: "replicasets", object: "ReplicaSet", title: "Replica sets", one: "replica set", group, namespaced }, [
  ready((row) => row.ready, (row) => row.desired),
  count("current", "Current", (row) => row.current),
  { id: "owner", title: "Owner", width: 180, grow: 2, text: (row) => ownerText(row) },
]);

export const jobs = kind<JobRow>({ name: "jobs", object: "Job", title: "Jobs", one: "job", group, namespaced }, [
  { id: "status", title: "Status", width: 124, always: true, text: (row) => row.status, tone: (row) => ofJob(row.status) },
  {
    id: "completions",
    title: "Completions",
    width: 108,
    end: true,
    text: (row) => row.completions,
    key: (row) => missing(...parts(row.completions)),
  },
  { id: "duration", title: "Duration", width: 92, end: true, text: (row) => row.duration ?? "", key: (row) => seconds(row.duration) },
]);

export const cronjobs = kind<CronJobRow>({ name: "cronjobs", object: "CronJob", title: "Cron jobs", one: "cron job", group, namespaced }, [
  { id: "schedule", title: "Schedule", width: 140, always: true, text: (row) => row.schedule },
  {
    id: "suspend",
    title: "Suspended",
    width: 104,
    text: (row) => (row.suspend ? "Yes" : "No"),
    tone: (row) => (row.suspend ? "off" : undefined),
  },
  count("active", "Active", (row) => row.active, 72),
  { id: "last", title: "Last run", width: 84, end: true, text: () => "", since: (row) => row.lastScheduleTime },
]);

export const autoscalers = kind<AutoscalerRow>(
  { name: "horizontalpodautoscalers", object: "HorizontalPodAutoscaler", title: "Autoscalers", one: "autoscaler", group, namespaced },
  [
    { id: "target", title: "Target", width: 180, grow: 2, text: (row) => row.target },
    { id: "able", title: "Able to scale", width: 112, text: (row) => (row.ready ? "Yes" : "No"), tone: (row) => (row.ready ? "ok" : "bad") },
    count("min", "Min", (row) => row.minReplicas, 60),
    count("max", "Max", (row) => row.maxReplicas, 60),
    {
      ...count<AutoscalerRow>("current", "Replicas", (row) => row.currentReplicas, 84),
      always: true,
      tone: (row) => (row.currentReplicas >= row.maxReplicas && row.maxReplicas > 0 ? "warn" : undefined),
    },
    count("desired", "Desired", (row) => row.desiredReplicas, 80),
  ],
);

export const disruptionBudgets = kind<DisruptionBudgetRow>(
  { name: "poddisruptionbudgets", object: "PodDisruptionBudget", title: "Disruption budgets", one: "disruption budget", group, namespaced },
  [
    { id: "min", title: "Min available", width: 112, end: true, text: (row) => row.minAvailable },
    { id: "max", title: "Max unavailable", width: 124, end: true, text: (row) => row.maxUnavailable },
    {
      id: "healthy",
      title: "Healthy",
      width: 84,
      end: true,
      always: true,
      text: (row) => `${row.currentHealthy}/${row.desiredHealthy}`,
      key: (row) => missing(row.currentHealthy, row.desiredHealthy),
      tone: (row) => (row.currentHealthy < row.desiredHealthy ? "bad" : undefined),
    },
    count("expected", "Pods", (row) => row.expectedPods, 64),
    {
      ...count<DisruptionBudgetRow>("allowed", "Allowed disruptions", (row) => row.disruptionsAllowed, 144),
      tone: (row) => (row.disruptionsAllowed === 0 ? "warn" : undefined),
    },
  ],
);

function ofJob(status: string): "busy" | ReturnType<typeof ofState> {
  return status === "Running" ? "busy" : ofState(status);
}

function ownerText({ owner }: Row): string {
  if (!owner) return "";
  return typeof owner === "string" ? owner : `${owner.kind}/${owner.name}`;
}
