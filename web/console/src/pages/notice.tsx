/**
 * What stands above a list that is not all of it or not of now, and what stands in place of one that has no rows.
 *
 * "Nothing there", "not yet", "not for you" and "not any more" never look the same, and each says what one can do.
 */

import type { State } from "@foretop/client";
import { useState, type ReactNode } from "react";

import { adjust } from "../app/address.ts";
import type { Kind } from "../kinds/kind.ts";
import { Link } from "../parts/link.tsx";
import { number } from "../parts/number.ts";
import { age, timeOfDay } from "../time/age.ts";
import { useClock } from "../time/clock.ts";

interface NoticeProps {
  readonly state: State;
  readonly kind: Kind;
  readonly cluster: string;
  /** The namespaces that were asked for; none: all. */
  readonly asked: readonly string[];
}

export function Notice({ state, kind, cluster, asked }: NoticeProps) {
  if (state.phase === "stale") return <Stale asOf={state.asOf} cluster={cluster} />;
  if (state.phase === "gone" && state.asOf !== null) {
    return <Bar tone="bad">{cluster} is no longer served here. The rows are the last that were seen.</Bar>;
  }
  const shown = state.namespaces;
  if (shown === null || shown.length === 0 || isAllOf(shown, asked)) return null;
  const which = shown.length <= 6 ? shown.join(", ") : `${shown.slice(0, 5).join(", ")} and ${shown.length - 5} more`;
  return (
    <Bar tone="part">
      A part of the cluster: you may list {kind.title.toLowerCase()} in {shown.length === 1 ? "one namespace" : `${shown.length} namespaces`} ({which}).
      Others may hold more.
    </Bar>
  );
}

/** Whether all is shown of what was asked for by name. */
function isAllOf(shown: readonly string[], asked: readonly string[]): boolean {
  return asked.length > 0 && asked.every((one) => shown.includes(one));
}

function Stale({ asOf, cluster }: { readonly asOf: number | null; readonly cluster: string }) {
  const since = useClock((now) => (asOf === null ? "" : ` as of ${timeOfDay(asOf, now)} (${age(asOf, now)} ago)`));
  return (
    <Bar tone="warn">
      {cluster} does not answer. What is shown is{since === "" ? " old" : since}; Foretop keeps trying, and the list goes on by itself.
    </Bar>
  );
}

function Bar({ tone, children }: { readonly tone: "warn" | "bad" | "part"; readonly children: ReactNode }) {
  return (
    <p className={`bar ${tone}`} role={tone === "part" ? undefined : "alert"}>
      {children}
    </p>
  );
}

interface AbsenceProps {
  readonly state: State;
  readonly kind: Kind;
  readonly cluster: string;
  /** Rows that there are, shown or not. */
  readonly total: number;
  readonly narrowing: { readonly namespaces: readonly string[]; readonly selector: string; readonly text: string };
}

export function Absence({ state, kind, cluster, total, narrowing }: AbsenceProps) {
  const many = kind.title.toLowerCase();
  if (state.phase === "denied") return <Denied state={state} kind={kind} cluster={cluster} />;
  if (state.phase === "gone") return <Gone cluster={cluster} many={many} />;
  if (total > 0) {
    return (
      <Empty what="filtered" title={`None of ${number(total)} ${many} matches "${narrowing.text}"`}>
        <button type="button" onClick={() => adjust({ filter: null })}>
          Clear the filter
        </button>
      </Empty>
    );
  }
  if (!state.complete) return <Slow state={state} cluster={cluster} many={many} />;
  const { namespaces, selector } = narrowing;
  const where = namespaces.length === 0 ? cluster : namespaces.join(", ");
  return (
    <Empty what="empty" title={`There are no ${many} in ${where}${selector === "" ? "" : ` that match ${selector}`}`}>
      {selector !== "" && (
        <button type="button" onClick={() => adjust({ selector: null })}>
          Clear the selector
        </button>
      )}
      {namespaces.length > 0 && (
        <button type="button" onClick={() => adjust({ namespace: null })}>
          Show all namespaces
        </button>
      )}
      {selector === "" && namespaces.length === 0 && <p>A new {kind.one} appears here by itself.</p>}
    </Empty>
  );
}

const DENIED: Readonly<Record<string, readonly [string, string]>> = {
  too_many_views: ["You have too many lists open", "Close some tabs; this list then opens by itself."],
  too_many_selectors: ["Too many selectors are in use on this list", "Clear the selector, and use the filter instead."],
  unavailable: ["Nobody answers who could say what you may see", "This is tried again by itself."],
  disabled: ["This list is switched off on this server", "Who runs Foretop can switch it on: watch.kinds."],
  not_found: ["There is no such cluster, or it is not yours", "All that you may see is on the page of clusters."],
};

function Denied({ state, kind, cluster }: { readonly state: State; readonly kind: Kind; readonly cluster: string }) {
  const known = DENIED[state.code ?? ""];
  if (known) {
    const [title, advice] = known;
    return (
      <Empty what="denied" title={title}>
        <p>{advice}</p>
        <Link to="/">All clusters</Link>
      </Empty>
    );
  }
  const many = kind.title.toLowerCase();
  return (
    <Empty what="denied" title={`You may not list ${many} in ${cluster}`}>
      <p>
        Ask who grants rights in {cluster} for the verbs <code>list</code> and <code>watch</code>
        {kind.namespaced ? ", in the whole cluster or in your namespaces" : ""}. Once you have them, the list opens by itself.
      </p>
      {state.message !== undefined && <p className="fine">{state.message}</p>}
    </Empty>
  );
}

function Gone({ cluster, many }: { readonly cluster: string; readonly many: string }) {
  return (
    <Empty what="gone" title={`${cluster}, or ${many} in it, is no more`}>
      <p>It has left the registry of this server, or its apiserver no longer serves the kind.</p>
      <Link to="/">All clusters</Link>
    </Empty>
  );
}

/** How long one waits before one is told that it is long, in milliseconds. */
const LONG = 3000;

function Slow({ state, cluster, many }: { readonly state: State; readonly cluster: string; readonly many: string }) {
  return (
    <Empty what="slow" title={state.phase === "stale" ? `${cluster} does not answer` : `Waiting for ${many} of ${cluster}`}>
      <Waiting />
      {state.message !== undefined && <p className="fine">{state.message}</p>}
    </Empty>
  );
}

function Waiting() {
  const [began] = useState(Date.now);
  const isLong = useClock((now) => now - began > LONG);
  return <p>{isLong ? "This takes longer than usual. Rows appear as they come; there is nothing to do." : "Rows appear as they come."}</p>;
}

function Empty({ what, title, children }: { readonly what: string; readonly title: string; readonly children: ReactNode }) {
  return (
    <section className={`absence ${what}`} data-absence={what} role="status">
      <h2>{title}</h2>
      {children}
    </section>
  );
}
