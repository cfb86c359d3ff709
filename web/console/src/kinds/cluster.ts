/** What a cluster is made of, and what happens in it. */

import { amount, type Column } from "./column.ts";
import { kind, kindOf } from "./kind.ts";
import type { EventRow, NamespaceRow, NodeRow, PriorityClassRow, RuntimeClassRow } from "./rows.ts";
import { ofState } from "./tones.ts";

const group = "Cluster";

export const nodes = kind<NodeRow>({ name: "nodes", object: "Node", title: "Nodes", one: "node", group, namespaced: false }, [
  {
    id: "status",
    title: "Status",
    width: 168,
    always: true,
    text: (row) => (row.unschedulable ? `${row.status}, cordoned` : row.status),
    tone: ofNode,
  },
  { id: "roles", title: "Roles", width: 130, grow: 1, text: (row) => row.roles.join(", ") },
  { id: "version", title: "Version", width: 104, text: (row) => row.kubeletVersion },
  { id: "ip", title: "Internal IP", width: 120, text: (row) => row.internalIP },
  { id: "cpu", title: "CPU", width: 108, end: true, text: (row) => row.cpuCapacity, key: (row) => amount(row.cpuCapacity) },
  { id: "memory", title: "Memory", width: 96, end: true, text: (row) => row.memoryCapacity, key: (row) => amount(row.memoryCapacity) },
]);

export const namespaces = kind<NamespaceRow>({ name: "namespaces", object: "Namespace", title: "Namespaces", one: "namespace", group, namespaced: false }, [
  { id: "status", title: "Status", width: 120, always: true, text: (row) => row.phase, tone: (row) => ofState(row.phase) },
]);

const eventColumns: readonly Column<EventRow>[] = [
  { id: "last", title: "Last seen", width: 108, end: true, always: true, text: () => "", since: (row) => row.last },
  {
    id: "type",
    title: "Type",
    width: 88,
    text: (row) => row.type,
    tone: (row) => (row.type === "Warning" ? "warn" : "off"),
  },
  { id: "reason", title: "Reason", width: 130, always: true, text: (row) => row.reason, below: (row) => row.message },
  { id: "object", title: "Object", width: 180, grow: 1, text: (row) => `${row.kind}/${row.name}` },
  { id: "namespace", title: "Namespace", width: 104, text: (row) => row.namespace ?? "" },
  { id: "message", title: "Message", width: 240, grow: 4, text: (row) => row.message },
  { id: "count", title: "Count", width: 68, end: true, text: (row) => String(row.count), key: (row) => row.count },
  { id: "source", title: "Source", width: 120, text: (row) => row.source },
];

export const events = kindOf<EventRow>({
  name: "events", object: "Event",
  title: "Events",
  one: "event",
  group,
  namespaced: true,
  columns: eventColumns,
  order: "last",
});

export const priorityClasses = kind<PriorityClassRow>(
  { name: "priorityclasses", object: "PriorityClass", title: "Priority classes", one: "priority class", group, namespaced: false },
  [
    { id: "value", title: "Value", width: 116, end: true, always: true, text: (row) => String(row.value), key: (row) => row.value },
    { id: "default", title: "Default", width: 80, text: (row) => (row.globalDefault ? "Yes" : "No") },
    { id: "preemption", title: "Preemption", width: 180, grow: 1, text: (row) => row.preemptionPolicy },
  ],
);

export const runtimeClasses = kind<RuntimeClassRow>(
  { name: "runtimeclasses", object: "RuntimeClass", title: "Runtime classes", one: "runtime class", group, namespaced: false },
  [
    { id: "handler", title: "Handler", width: 160, grow: 2, always: true, text: (row) => row.handler },
    { id: "cpu", title: "CPU overhead", width: 112, end: true, text: (row) => row.cpuOverhead, key: (row) => amount(row.cpuOverhead) },
    {
      id: "memory",
      title: "Memory overhead",
      width: 132,
      end: true,
      text: (row) => row.memoryOverhead,
      key: (row) => amount(row.memoryOverhead),
    },
  ],
);

function ofNode({ status, unschedulable }: NodeRow) {
  if (status !== "Ready") return "bad";
  return unschedulable ? "warn" : "ok";
}

