/** The kinds, in the order of the sidebar. */

import * as cluster from "./cluster.ts";
import type { Kind } from "./kind.ts";
import * as network from "./network.ts";
import * as storage from "./storage.ts";
import * as workloads from "./workloads.ts";

export const KINDS: readonly Kind[] = [
  workloads.pods,
  workloads.deployments,
  workloads.statefulsets,
  workloads.daemonsets,
  workloads.replicasets,
  workloads.jobs,
  workloads.cronjobs,
  workloads.autoscalers,
  workloads.disruptionBudgets,
  network.services,
  network.ingresses,
  network.networkPolicies,
  network.endpointSlices,
  network.ingressClasses,
  storage.claims,
  storage.volumes,
  storage.storageClasses,
  cluster.nodes,
  cluster.namespaces,
  cluster.events,
  cluster.priorityClasses,
  cluster.runtimeClasses,
];

const BY_NAME = new Map(KINDS.map((kind) => [kind.name, kind]));

export function kindNamed(name: string): Kind | undefined {
  return BY_NAME.get(name);
}

/** The kind of an object, as events name it. */
export function kindOfObject(object: string): Kind | undefined {
  return KINDS.find((kind) => kind.object === object);
}
