/** Why something is not here. */

import type { Refused } from "../api/ask.ts";

const WORDS: Readonly<Record<number, string>> = {
  0: "Foretop cannot be reached. This is tried again by itself.",
  403: "You may not see this. Ask who grants rights in this cluster.",
  404: "It is not there: it was deleted, or never was.",
  503: "The cluster does not answer. This is tried again by itself.",
  504: "The cluster has not answered in time. This is tried again by itself.",
};

export function Refusal({ refused }: { readonly refused: Refused }) {
  return (
    <p className="bar warn" role="status" data-status={refused.status}>
      {WORDS[refused.status] ?? refused.message}
    </p>
  );
}
