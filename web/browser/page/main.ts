// A page with live lists, which a test looks into.

import { createClient, type Phase, type Row, type ViewSpec, type Watch } from "@foretop/client";

/** What the page says about one list, as a test reads it. */
interface Claim {
  readonly phase: Phase;
  readonly complete: boolean;
  readonly asOf: number | null;
  readonly code: string | undefined;
  readonly rows: number;
}

const client = createClient();
const watches: Watch[] = [];
/** Since when, by the page's clock in milliseconds, each list has first been whole. */
const wholeAt: number[] = [];
/** Every phase that a list went through. */
const phases: Phase[][] = [];

const lists = {
  client,
  open(specs: readonly ViewSpec[]): void {
    for (const spec of specs) {
      const index = watches.length;
      phases[index] = [];
      watches.push(
        client.watch(spec, {
          state: ({ phase, complete }) => {
            phases[index]?.push(phase);
            if (complete) wholeAt[index] ??= performance.now();
          },
        }),
      );
    }
  },
  claims: (): Claim[] =>
    watches.map(({ state: { phase, complete, asOf, code }, rows }) => ({ phase, complete, asOf, code, rows: rows.size })),
  rows: (): Row[][] => watches.map(({ rows }) => [...rows.values()]),
  phases: (): Phase[][] => phases,
  /** When the last list became whole, since the page began to load. */
  wholeAfterMs: (): number | null => (wholeAt.filter(() => true).length === watches.length ? Math.max(...wholeAt) : null),
};

declare global {
  interface Window {
    lists: typeof lists;
  }
}
window.lists = lists;
const asked = new URLSearchParams(location.search).get("lists");
if (asked) lists.open(JSON.parse(asked) as ViewSpec[]);
