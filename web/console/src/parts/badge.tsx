/** How fresh a list is: a mark, a word, and as of when. */

import type { State } from "@foretop/client";

import type { Tone } from "../kinds/column.ts";
import { age, timeOfDay } from "../time/age.ts";
import { useClock } from "../time/clock.ts";
import { Mark } from "./mark.tsx";

const WORDS: Readonly<Record<State["phase"], readonly [Tone, string]>> = {
  connecting: ["busy", "Connecting"],
  catching_up: ["busy", "Catching up"],
  live: ["ok", "Live"],
  polling: ["ok", "Polling"],
  stale: ["warn", "Stale"],
  denied: ["bad", "Not shown"],
  gone: ["bad", "Gone"],
};

export function Badge({ state: { phase, asOf, message } }: { readonly state: State }) {
  const [tone, word] = WORDS[phase];
  const since = useClock((now) => (asOf === null ? "" : asOfText(phase, asOf, now)));
  const title = useClock((now) => (asOf === null ? "" : `The cluster was last heard of at ${timeOfDay(asOf, now)}`));
  return (
    <span className={`badge ${tone}`} data-phase={phase} title={message ?? title}>
      <Mark tone={tone} />
      {/* Told when the word changes, and not each second. */}
      <span role="status">{word}</span>
      {since !== "" && <span className="as-of">{since}</span>}
    </span>
  );
}

/** Of what is live only an age that somebody would wonder about is told. */
function asOfText(phase: State["phase"], asOf: number, now: number): string {
  const isOld = phase === "stale" || phase === "gone" || now - asOf >= 30_000;
  if (!isOld) return "";
  return `as of ${timeOfDay(asOf, now)}, ${age(asOf, now)} ago`;
}
