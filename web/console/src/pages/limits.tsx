/** What is bounded, how near to its bound anybody is, and what the bounds have cost. For admins. */

import type { LimitLine, Limits } from "../api/shapes.ts";
import { useAsked } from "../api/use-asked.ts";
import type { Tone } from "../kinds/column.ts";
import { Mark } from "../parts/mark.tsx";
import { inBytes, number } from "../parts/number.ts";
import { NotForYou } from "./not-for-you.tsx";
import { Refusal } from "./refusal.tsx";

const EVERY = 2000;

/** From here on it is told that a bound is near. */
const NEAR = 0.8;

const WHAT: Readonly<Record<string, string>> = {
  "streams.perUser": "Streams of one user",
  "streams.viewsPerUser": "Views of one user's multiplexed streams",
  "streams.perCore": "Streams on one core",
  "feeds.selectorsPerKind": "Label selectors on one kind of a cluster",
  "feeds.max": "Feeds",
  "journal.totalBytes": "Retained events",
  "memory.limit": "Memory for rows, events and what is not sent yet",
  cgroup: "Memory of the process, as the kernel counts it",
};

const SHEDDING: Readonly<Record<Limits["shedding"], string>> = {
  nothing: "There is room: nothing is given back.",
  coalescing: "It gets short: streams that lag are sent the latest rows alone.",
  journals: "It is short: events of the past are given up, and tabs that come back late get a snapshot.",
  refusing: "There is none left: new streams, lists and feeds are refused.",
};

export function LimitsBoard() {
  const { answer, refused } = useAsked<Limits>("/debug/limits", EVERY);
  if (refused?.status === 403) return <NotForYou />;
  return (
    <>
      {refused && <Refusal refused={refused} />}
      {!answer && !refused && <p className="fine waiting">Asking the server</p>}
      {answer && (
        <div className="limits" role="region" aria-label="Limits" tabIndex={0}>
          <BoundsTable limits={answer.limits} />
          <section>
            <h2>Memory is spent on</h2>
            <Counts counts={answer.memory} text={inBytes} none="Nothing yet." />
            <p>
              <Mark tone={answer.shedding === "nothing" ? "ok" : answer.shedding === "refusing" ? "bad" : "warn"} /> {SHEDDING[answer.shedding]}
            </p>
            <p className="fine">{since(answer)}</p>
          </section>
          <section>
            <h2>Refused since the start</h2>
            <Counts counts={answer.refused} text={number} none="Nothing." />
          </section>
        </div>
      )}
    </>
  );
}

function BoundsTable({ limits }: { readonly limits: readonly LimitLine[] }) {
  return (
    <table className="bounds" aria-label="Limits, and what is in use">
      <thead>
        <tr>
          <th scope="col">What</th>
          <th scope="col" className="end">In use</th>
          <th scope="col" className="end">Limit</th>
          <th scope="col">Share</th>
          <th scope="col" className="whose">Whose</th>
        </tr>
      </thead>
      <tbody>
        {limits.map((line) => (
          <Bound key={line.setting} line={line} />
        ))}
      </tbody>
    </table>
  );
}

function Bound({ line: { setting, unit, limit, used, by } }: { readonly line: LimitLine }) {
  const text = unit === "bytes" ? inBytes : number;
  const share = limit === 0 ? 0 : Math.min(used / limit, 1);
  return (
    <tr>
      <th scope="row">
        {WHAT[setting] ?? setting} <code className="fine">{setting}</code>
        {by !== undefined && <span className="by">{by}</span>}
      </th>
      <td className="end">{text(used)}</td>
      <td className="end">{limit === 0 ? "none" : text(limit)}</td>
      <td>
        {limit > 0 && (
          <>
            <Mark tone={toneOf(share)} /> {percent(share)}
            <span className={`bar-of ${toneOf(share)}`} aria-hidden="true">
              <i style={{ width: `${share * 100}%` }} />
            </span>
          </>
        )}
      </td>
      <td className="whose">{by}</td>
    </tr>
  );
}

function toneOf(share: number): Tone {
  if (share >= 1) return "bad";
  return share >= NEAR ? "warn" : "ok";
}

function percent(share: number): string {
  return share > 0 && share < 0.01 ? "< 1 %" : `${Math.floor(share * 100)} %`;
}

interface Counted {
  readonly counts: Readonly<Record<string, number>>;
  readonly text: (count: number) => string;
  readonly none: string;
}

function Counts({ counts, text, none }: Counted) {
  const entries = Object.entries(counts).sort(([, one], [, other]) => other - one);
  if (entries.length === 0) return <p className="fine">{none}</p>;
  return (
    <dl className="counts">
      {entries.map(([what, count]) => (
        <div key={what}>
          <dt>{what.replaceAll("_", " ")}</dt>
          <dd>{text(count)}</dd>
        </div>
      ))}
    </dl>
  );
}

function since({ shed, stalled }: Limits): string {
  return `Since the start ${number(shed)} streams were ended because memory was full, and ${number(stalled)} because they took nothing.`;
}
