// How fresh a list is, in a word or two.

import type { State } from "@foretop/client";
import type { ReactElement } from "react";

const DENIED: Readonly<Record<string, string>> = {
  unauthenticated: "signed out",
  not_found: "not found",
  disabled: "not streamed",
  unavailable: "not available now",
};

/** What may be said of a list in this state. */
export function freshnessText(state: State): string {
  const { phase, complete, asOf, code } = state;
  const since = asOf === null ? "" : ` as of ${new Date(asOf).toLocaleTimeString()}`;
  if (phase === "live") return state.namespaces ? "live, partial" : "live";
  if (phase === "denied") return DENIED[code ?? ""] ?? "denied";
  if (phase === "gone") return "gone";
  if (phase === "stale") return `stale,${since || " never seen"}`;
  if (phase === "polling") return `polled,${since}`;
  if (phase === "catching_up") return complete ? "catching up" : "loading";
  return complete ? `reconnecting,${since}` : "connecting";
}

/** Says how fresh a list is. To be styled by `[data-phase]`; screen readers are told when it changes. */
export function FreshnessBadge({ state, className }: { readonly state: State; readonly className?: string }): ReactElement {
  return (
    <span role="status" className={className} data-phase={state.phase} title={state.message}>
      {freshnessText(state)}
    </span>
  );
}
