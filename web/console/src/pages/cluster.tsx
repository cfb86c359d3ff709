/** One cluster at a glance: what runs, what is wrong, and the ways to it. */

import type { ReactNode } from "react";

import { inCluster } from "../api/ask.ts";
import { clusterPath, objectPath } from "../app/address.ts";
import type { Accessibility, Dashboard } from "../api/shapes.ts";
import { useAsked } from "../api/use-asked.ts";
import type { Tone } from "../kinds/column.ts";
import { ofState } from "../kinds/tones.ts";
import { Link } from "../parts/link.tsx";
import { Mark } from "../parts/mark.tsx";
import { moment } from "../kinds/column.ts";
import { number } from "../parts/number.ts";
import { age, timeOfDay } from "../time/age.ts";
import { useClock } from "../time/clock.ts";
import { Refusal } from "./refusal.tsx";
import { useTitle } from "./title.ts";

const EVERY = 5000;

const WORKLOADS = [
  ["deployments", "deployments", "Deployments"],
  ["statefulSets", "statefulsets", "Stateful sets"],
  ["daemonSets", "daemonsets", "Daemon sets"],
  ["jobs", "jobs", "Jobs"],
  ["cronJobs", "cronjobs", "Cron jobs"],
] as const;

const PHASES: readonly (readonly [keyof Dashboard["podPhases"], Tone])[] = [
  ["running", "ok"],
  ["pending", "busy"],
  ["stuck", "bad"],
  ["failed", "bad"],
  ["unknown", "warn"],
  ["succeeded", "off"],
];

export function ClusterPage({ cluster }: { readonly cluster: string }) {
  const { answer, refused } = useAsked<Dashboard>(inCluster(cluster, "dashboard"), EVERY);
  useTitle(cluster);
  return (
    <main className="page cluster" id="main">
      <header className="toolbar">
        <h1>{cluster}</h1>
        {answer && (
          <p className="fine">
            {answer.provider}
            {answer.kubernetesVersion !== "" && `, ${answer.kubernetesVersion}`}
          </p>
        )}
      </header>
      {refused && <Refusal refused={refused} />}
      {answer?.stale && <Away cluster={cluster} asOf={answer.asOf} />}
      {answer ? <Glance cluster={cluster} board={answer} /> : !refused && <p className="fine pad">Looking at the cluster</p>}
    </main>
  );
}

function Away({ cluster, asOf }: { readonly cluster: string; readonly asOf: string }) {
  const since = useClock((now) => `${timeOfDay(moment(asOf), now)} (${age(moment(asOf), now)} ago)`);
  return (
    <p className="bar warn" role="alert">
      {cluster} does not answer. What is shown is as of {since}; Foretop keeps trying.
    </p>
  );
}

function Glance({ cluster, board }: { readonly cluster: string; readonly board: Dashboard }) {
  const { accessibility: access, workloads, storage } = board;
  return (
    <div className="glance">
      <section className="tiles" aria-label="Counts">
        <Tile cluster={cluster} kind="nodes" title="Nodes" access={access["nodes"]} isBad={board.nodeReadyCount < board.nodeCount}>
          {board.nodeReadyCount}/{board.nodeCount} <small>ready</small>
        </Tile>
        <Tile cluster={cluster} kind="pods" title="Pods" access={access["pods"]}>
          {number(board.podCount)}
        </Tile>
        <Tile cluster={cluster} kind="namespaces" title="Namespaces" access={access["namespaces"]}>
          {number(board.namespaceCount)}
        </Tile>
        {WORKLOADS.map(([field, kind, title]) => {
          const { healthy, total } = workloads[field] ?? { healthy: 0, total: 0 };
          return (
            <Tile key={kind} cluster={cluster} kind={kind} title={title} access={access[field]} isBad={healthy < total}>
              {number(healthy)}/{number(total)} <small>healthy</small>
            </Tile>
          );
        })}
        <Tile cluster={cluster} kind="pvcs" title="Volume claims" access={access["pvcs"]} isBad={storage.pvcPending > 0}>
          {number(storage.pvcBound)} <small>bound{storage.pvcPending > 0 && `, ${storage.pvcPending} waiting`}</small>
        </Tile>
      </section>
      {access["pods"] === "ok" && <Phases board={board} />}
      <Attention cluster={cluster} board={board} />
    </div>
  );
}

interface TileProps {
  readonly cluster: string;
  readonly kind: string;
  readonly title: string;
  readonly access: Accessibility | undefined;
  readonly isBad?: boolean;
  readonly children: ReactNode;
}

function Tile({ cluster, kind, title, access, isBad = false, children }: TileProps) {
  return (
    <Link to={clusterPath(cluster, kind)} className="tile">
      <span className="fine">{title}</span>
      <strong>
        {access === "ok" && isBad && <Mark tone="warn" />}
        {access === "ok" ? children : <small>{access === "forbidden" ? "not yours to list" : "not known yet"}</small>}
      </strong>
    </Link>
  );
}

function Phases({ board: { podPhases, podCount } }: { readonly board: Dashboard }) {
  const some = PHASES.filter(([phase]) => podPhases[phase] > 0);
  return (
    <section className="phases">
      <h2>Pods by state</h2>
      <div className="strip" aria-hidden="true">
        {some.map(([phase, tone]) => (
          <span key={phase} className={tone} style={{ flexGrow: podPhases[phase] / Math.max(podCount, 1) }} />
        ))}
      </div>
      <ul>
        {some.map(([phase, tone]) => (
          <li key={phase}>
            <Mark tone={tone} /> {number(podPhases[phase])} {phase}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Attention({ cluster, board: { needsAttention, accessibility } }: { readonly cluster: string; readonly board: Dashboard }) {
  if (accessibility["pods"] !== "ok") return null;
  return (
    <section className="attention">
      <h2>Needs somebody</h2>
      {needsAttention.length === 0 && <p className="fine">No pod does.</p>}
      <ul>
        {needsAttention.map(({ namespace, name, reason, restartCount = 0 }) => (
          <li key={`${namespace}/${name}`}>
            <span className="state">
              <Mark tone={ofState(reason)} /> {reason}
            </span>
            <Link to={objectPath(cluster, "pods", name)}>{name}</Link>
            <span className="fine">{namespace}</span>
            <span className="fine end">{restartCount > 0 && `${number(restartCount)} restarts`}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}
