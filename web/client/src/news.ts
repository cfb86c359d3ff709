// What is known of a view where its rows are kept, as it goes to tabs.

import type { Phase } from "./types.ts";

/** `ageMs` is as of `sentAt`, this machine's wall clock: what a tab slept through is added there. */
export interface News {
  readonly phase: Phase;
  readonly complete: boolean;
  /** `null`: the cluster was not heard of yet. */
  readonly ageMs: number | null;
  readonly sentAt: number;
  /** How old the rows of a list may be that says it is live. */
  readonly liveMs: number;
  readonly namespaces: readonly string[] | null;
  readonly expected?: number | undefined;
  readonly code?: string | undefined;
  readonly message?: string | undefined;
}

/** A list that nobody told us anything of. */
export const NOTHING_YET: News = { phase: "connecting", complete: false, ageMs: null, sentAt: 0, liveMs: 25_000, namespaces: null };
