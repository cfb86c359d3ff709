/** What the server is doing: its streams, its feeds, its limits. For admins. */

import { useEffect, useRef, useState } from "react";

import { adjust, useAddress } from "../app/address.ts";
import type { FeedLine, StreamLine } from "../api/shapes.ts";
import { useAsked } from "../api/use-asked.ts";
import type { Column, Tone } from "../kinds/column.ts";
import { FilterBox } from "../parts/filter-box.tsx";
import { inBytes, number } from "../parts/number.ts";
import { Grid } from "../table/grid.tsx";
import type { Reading } from "../table/index.ts";
import { orderOf } from "../table/reading.ts";
import { RowStore } from "../table/store.ts";
import { LimitsBoard } from "./limits.tsx";
import { NotForYou } from "./not-for-you.tsx";
import { Refusal } from "./refusal.tsx";
import { useTitle } from "./title.ts";

const EVERY = 2000;

const STATES: Readonly<Record<string, Tone>> = {
  live: "ok",
  ok: "ok",
  catching_up: "busy",
  waiting: "busy",
  syncing: "busy",
  behind: "warn",
  held: "warn",
  absent: "off",
  ending: "off",
  forbidden: "bad",
  unauthenticated: "bad",
  failed: "bad",
};

const count = <R,>(id: string, title: string, of: (row: R) => number, width = 88): Column<R> => ({
  id,
  title,
  width,
  end: true,
  text: (row) => number(of(row)),
  key: of,
});

const bytes = <R,>(id: string, title: string, of: (row: R) => number): Column<R> => ({
  ...count(id, title, of, 92),
  text: (row) => inBytes(of(row)),
});

const STREAMS: readonly Column<StreamLine>[] = [
  { ...count<StreamLine>("id", "Stream", ({ id }) => id, 88), always: true, text: ({ id }) => String(id) },
  { id: "actor", title: "Whose", width: 150, grow: 1, always: true, text: ({ actor }) => actor },
  state((line) => line),
  { id: "cluster", title: "Cluster", width: 120, grow: 1, text: ({ cluster }) => cluster },
  { id: "kind", title: "Kind", width: 120, text: ({ kind }) => kind },
  { id: "namespace", title: "Namespaces", width: 110, grow: 1, text: ({ namespace }) => namespace || "all" },
  bytes("sent", "Sent", ({ bytesSent }) => bytesSent),
  bytes("lag", "Behind", ({ lag }) => lag),
  { ...count<StreamLine>("core", "Core", ({ core }) => core, 60), text: ({ core }) => String(core) },
  { id: "opened", title: "Open for", width: 84, end: true, text: () => "", since: ({ openedAt }) => openedAt },
];

const FEEDS: readonly Column<FeedLine>[] = [
  { id: "cluster", title: "Cluster", width: 120, grow: 1, always: true, text: ({ cluster }) => cluster, below: ({ kind }) => kind },
  { id: "kind", title: "Kind", width: 150, text: ({ kind }) => kind },
  { id: "shows", title: "Holds", width: 110, text: ({ shows = "plain", selector }) => selector ?? `${shows} rows` },
  state((line) => line),
  { id: "since", title: "Since", width: 72, end: true, text: () => "", since: ({ since }) => since },
  { ...count<FeedLine>("count", "Rows", ({ rows }) => rows), always: true },
  count("subscribers", "Streams", ({ subscribers }) => subscribers),
  count("in", "Events", ({ eventsIn }) => eventsIn),
  count("suppressed", "Nothing new", ({ suppressed }) => suppressed, 104),
  count("encodings", "Encodings", ({ encodings }) => encodings),
  count("lists", "Lists", ({ lists }) => lists, 68),
  bytes("replica", "Replica", ({ replicaBytes }) => replicaBytes),
  bytes("journal", "Journal", ({ journalBytes }) => journalBytes),
];

function state<R>(of: (row: R) => { readonly state: string; readonly why?: string }): Column<R> {
  const text = ({ state, why }: ReturnType<typeof of>): string => (why === undefined ? state.replace("_", " ") : `${state}: ${why}`);
  return { id: "state", title: "State", width: 124, always: true, text: (row) => text(of(row)), tone: (row) => STATES[of(row).state] ?? "warn" };
}

interface Board<R> {
  readonly path: string;
  readonly what: string;
  readonly columns: readonly Column<R>[];
  readonly id: (row: R) => string;
}

const BOARDS: { readonly streams: Board<StreamLine>; readonly feeds: Board<FeedLine> } = {
  streams: { path: "/debug/streams", what: "streams", columns: STREAMS, id: ({ id }) => String(id) },
  feeds: { path: "/debug/feeds", what: "feeds", columns: FEEDS, id: feedId },
};

function feedId({ cluster, kind, shows = "", selector = "" }: FeedLine): string {
  return [cluster, kind, shows, selector].join("\u0000");
}

const SHOWN = { streams: "Streams", feeds: "Feeds", limits: "Limits" } as const;

type Shown = keyof typeof SHOWN;

const isShown = (text: string | null): text is Shown => text !== null && Object.hasOwn(SHOWN, text);

export function AdminPage() {
  const { query } = useAddress();
  const asked = query.get("show");
  const shown = isShown(asked) ? asked : "streams";
  useTitle("Server");
  return (
    <main className="page admin" id="main">
      <header className="toolbar">
        <h1>Server</h1>
        <nav className="switch" aria-label="What is shown">
          {(Object.keys(SHOWN) as Shown[]).map((one) => (
            <button key={one} type="button" aria-pressed={one === shown} onClick={() => adjust({ show: one, sort: null, filter: null })}>
              {SHOWN[one]}
            </button>
          ))}
        </nav>
      </header>
      {shown === "streams" && <Listing key="streams" board={BOARDS.streams} />}
      {shown === "feeds" && <Listing key="feeds" board={BOARDS.feeds} />}
      {shown === "limits" && <LimitsBoard />}
    </main>
  );
}

function Listing<R>({ board }: { readonly board: Board<R> }) {
  const { path, what, columns, id } = board;
  const { query } = useAddress();
  const order = query.get("sort") ?? "";
  const text = query.get("filter") ?? "";
  const { answer, refused } = useAsked<readonly R[]>(path, EVERY);
  const [store] = useState(() => new RowStore(reading(columns, id), orderOf(columns, order)));
  const filter = useRef<HTMLInputElement>(null);

  useEffect(() => {
    if (answer) store.replace(answer, id, performance.now());
  }, [store, answer, id]);
  useEffect(() => store.filterBy(text), [store, text]);
  useEffect(() => store.sortBy(orderOf(columns, order)), [store, columns, order]);

  if (refused?.status === 403) return <NotForYou />;
  return (
    <>
      {refused && <Refusal refused={refused} />}
      <div className="subbar">
        {answer && <Sums what={what} rows={answer} />}
        <span className="room" />
        <FilterBox ref={filter} text={text} onText={(next) => adjust({ filter: next })} />
      </div>
      <div className="split">
        <Grid label={what} store={store} columns={columns} order={order} onOrder={(next) => adjust({ sort: next })}>
          <section className="absence empty" role="status">
            <h2>{answer === undefined ? "Asking the server" : `There are no ${what}${text === "" ? "" : ` that match "${text}"`}`}</h2>
          </section>
        </Grid>
      </div>
    </>
  );
}

function Sums({ what, rows }: { readonly what: string; readonly rows: readonly unknown[] }) {
  return (
    <p className="fine">
      {number(rows.length)} {what}
    </p>
  );
}

function reading<R>(columns: readonly Column<R>[], id: (row: R) => string): Reading<R> {
  return { id, tie: id, haystack: (row) => columns.map(({ text }) => text(row)).join("\u0000").toLowerCase() };
}
