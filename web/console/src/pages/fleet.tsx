/** All clusters at a glance. */

import { useDeferredValue, useEffect, useMemo, useRef } from "react";

import { adjust, clusterPath, go, useAddress } from "../app/address.ts";
import type { ClusterStatus, Fleet, FleetCluster } from "../api/shapes.ts";
import { useAsked } from "../api/use-asked.ts";
import { missing, type Column, type Tone } from "../kinds/column.ts";
import { FilterBox } from "../parts/filter-box.tsx";
import { Mark } from "../parts/mark.tsx";
import { number } from "../parts/number.ts";
import { Grid } from "../table/grid.tsx";
import { orderOf } from "../table/reading.ts";
import { RowStore } from "../table/store.ts";
import { Refusal } from "./refusal.tsx";
import { useTitle } from "./title.ts";

const EVERY = 5000;

const STATUS: Readonly<Record<ClusterStatus, readonly [Tone, string]>> = {
  healthy: ["ok", "Healthy"],
  degraded: ["warn", "Degraded"],
  unreachable: ["bad", "Unreachable"],
  unknown: ["off", "Not looked at yet"],
  denied: ["off", "Not yours"],
};

/** What needs somebody comes first. */
const RANK: readonly ClusterStatus[] = ["unreachable", "degraded", "healthy", "unknown", "denied"];

const numeric = (of: (cluster: FleetCluster) => number | undefined) => ({
  end: true,
  text: (cluster: FleetCluster) => {
    const count = of(cluster);
    return count === undefined ? "" : number(count);
  },
  key: (cluster: FleetCluster) => of(cluster) ?? -1,
});

const COLUMNS: readonly Column<FleetCluster>[] = [
  {
    id: "name",
    title: "Cluster",
    width: 160,
    grow: 2,
    always: true,
    text: ({ name }) => name,
    link: ({ name }) => clusterPath(name),
    below: ({ environment, region }) => [environment, region].filter(Boolean).join(", ") || undefined,
  },
  {
    id: "status",
    title: "State",
    width: 146,
    always: true,
    text: ({ status, error }) => (error && status === "unreachable" ? `${STATUS[status][1]}: ${error.code.replaceAll("_", " ")}` : STATUS[status][1]),
    key: ({ status }) => RANK.indexOf(status),
    tone: ({ status }) => STATUS[status][0],
  },
  { id: "environment", title: "Environment", width: 104, text: ({ environment }) => environment ?? "" },
  { id: "region", title: "Region", width: 92, text: ({ region }) => region ?? "" },
  { id: "version", title: "Version", width: 88, text: ({ kubernetesVersion }) => kubernetesVersion ?? "" },
  {
    id: "nodes",
    title: "Nodes",
    width: 74,
    end: true,
    text: ({ summary }) => (summary ? `${summary.nodes.ready}/${summary.nodes.total}` : ""),
    key: ({ summary }) => (summary ? missing(summary.nodes.ready, summary.nodes.total) : 1),
    tone: ({ summary }) => (summary && summary.nodes.ready < summary.nodes.total ? "warn" : undefined),
  },
  { id: "pods", title: "Pods", width: 70, ...numeric(({ summary }) => summary?.pods.total) },
  { id: "pending", title: "Pending", width: 80, ...numeric(({ summary }) => summary?.pods.pending) },
  {
    id: "failing",
    title: "Failing",
    width: 80,
    always: true,
    ...numeric(({ summary }) => summary?.stuckOrFailed),
    tone: ({ summary }) => (summary && summary.stuckOrFailed > 0 ? "bad" : undefined),
  },
  { id: "namespaces", title: "Namespaces", width: 104, ...numeric(({ summary }) => summary?.namespaces) },
  {
    id: "signals",
    title: "Mostly",
    width: 160,
    grow: 2,
    text: ({ hotSignals }) => hotSignals.slice(0, 3).map(({ kind, count }) => `${count} ${kind}`).join(", "),
  },
  {
    id: "contact",
    title: "Last heard",
    width: 92,
    end: true,
    text: () => "",
    // Who was not looked at has not been heard of, whatever the time says.
    since: ({ status, lastContact }) => (status === "unknown" || status === "denied" ? undefined : lastContact),
  },
];

const READING = {
  id: ({ name }: FleetCluster) => name,
  tie: ({ name }: FleetCluster) => name,
  haystack: (cluster: FleetCluster) => COLUMNS.map(({ text }) => text(cluster)).join("\u0000").toLowerCase(),
};

type Registered = Pick<FleetCluster, "name" | "backend" | "region">;

function notLookedAt(cluster: Registered): FleetCluster {
  return { ...cluster, status: "unknown", lastContact: "", hotSignals: [] };
}

export function FleetPage() {
  const { query } = useAddress();
  const order = query.get("sort") ?? "";
  const text = query.get("filter") ?? "";
  const { answer, refused } = useAsked<Fleet>("/api/fleet", EVERY);
  // Their names are there at once; how they do takes a moment.
  const registry = useAsked<{ readonly clusters: readonly Registered[] }>("/api/clusters", 0).answer;
  const clusters = answer?.clusters ?? registry?.clusters.map(notLookedAt);
  const store = useMemo(() => new RowStore(READING, orderOf(COLUMNS, order)), []);
  const filter = useRef<HTMLInputElement>(null);
  const searched = useDeferredValue(text);
  useTitle("Clusters");

  useEffect(() => {
    if (clusters) store.replace(clusters, READING.id, 0);
  }, [store, answer, registry]);
  useEffect(() => store.filterBy(searched), [store, searched]);
  useEffect(() => store.sortBy(orderOf(COLUMNS, order)), [store, order]);

  return (
    <main className="page fleet" id="main">
      <header className="toolbar">
        <h1>Clusters</h1>
        {answer && <Rollup fleet={answer} />}
        <span className="room" />
        <FilterBox ref={filter} text={text} onText={(next) => adjust({ filter: next })} />
      </header>
      {refused && <Refusal refused={refused} />}
      <div className="split">
        <Grid
          label="Clusters"
          store={store}
          columns={COLUMNS}
          order={order}
          onOrder={(next) => adjust({ sort: next })}
          onOpen={({ row }) => go(clusterPath(row.name))}
        >
          <NoCluster isAnswered={clusters !== undefined} total={store.index.total} text={text} />
        </Grid>
      </div>
    </main>
  );
}

function Rollup({ fleet: { rollup } }: { readonly fleet: Fleet }) {
  const some = RANK.filter((status) => (rollup.byStatus[status] ?? 0) > 0);
  return (
    <ul className="rollup" aria-label="How many clusters are in which state">
      {some.map((status) => (
        <li key={status}>
          <Mark tone={STATUS[status][0]} /> {number(rollup.byStatus[status] ?? 0)} {STATUS[status][1].toLowerCase()}
        </li>
      ))}
    </ul>
  );
}

function NoCluster({ isAnswered, total, text }: { readonly isAnswered: boolean; readonly total: number; readonly text: string }) {
  if (!isAnswered) return <Absent what="slow" title="Looking at the clusters" />;
  if (total > 0) return <Absent what="filtered" title={`None of ${number(total)} clusters matches "${text}"`} />;
  return <Absent what="empty" title="No cluster is registered, or none is yours" />;
}

function Absent({ what, title }: { readonly what: string; readonly title: string }) {
  return (
    <section className={`absence ${what}`} data-absence={what} role="status">
      <h2>{title}</h2>
    </section>
  );
}
