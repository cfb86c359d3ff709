// What a page sees of the client. Nothing here knows how rows come.

/** Which list: a kind of a cluster, all of it that the caller may see or some of it. */
export interface ViewSpec {
  readonly cluster: string;
  /** As in the routes: `pods`, `deployments`, … */
  readonly kind: string;
  /** None, or an empty list: all that the caller may list and watch. */
  readonly namespaces?: readonly string[] | undefined;
  /** Kubernetes' own grammar: `app=web,tier!=cache`. */
  readonly labelSelector?: string | undefined;
}

/** An object as a list shows it. Beside these each kind has its own fields. */
export interface Row {
  /** By which rows are told apart. */
  readonly uid: string;
  readonly name: string;
  /** Cluster-scoped kinds have none. */
  readonly namespace?: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The controlling owner. */
  readonly owner: { readonly kind: string; readonly name: string; readonly uid: string } | null;
  /** RFC 3339. */
  readonly createdAt?: string;
  readonly [field: string]: unknown;
}

/**
 * How a list stands.
 *
 * - `connecting`: no rows yet, or the connection was lost a moment ago
 * - `catching_up`: more is on its way (a first snapshot, or what was missed)
 * - `live`: the rows are the cluster's as of `asOf`, and what comes after is on its way
 * - `polling`: asked for again and again, because a proxy lets no stream through
 * - `stale`: the rows are those of `asOf`, and it is not known what came after
 * - `denied`: not shown, `code` says why; there are no rows
 * - `gone`: the cluster, or the kind in it, is no more
 */
export type Phase = "connecting" | "catching_up" | "live" | "polling" | "stale" | "denied" | "gone";

/** How a list stands, and since when. */
export interface State {
  readonly phase: Phase;
  /** Whether the rows were once all there: with `false`, an empty list says nothing. */
  readonly complete: boolean;
  /** When the cluster was last heard of, in milliseconds since the Unix epoch by this machine's clock. `null`: not yet. */
  readonly asOf: number | null;
  /** `null`: all namespaces. Else the list is partial: only these are shown, of all or of those asked for. */
  readonly namespaces: readonly string[] | null;
  /** How many rows there will be, while a snapshot is on its way. */
  readonly expected?: number | undefined;
  /** Why it is `denied` or `gone`; why it does not come on. */
  readonly code?: string | undefined;
  /** The same for people. */
  readonly message?: string | undefined;
}

/** What is different since the last call. */
export interface Change<R extends Row = Row> {
  /** All rows, by uid, in the order in which they came. The same map each time: it changes. */
  readonly rows: ReadonlyMap<string, R>;
  /** New and changed rows. */
  readonly put: readonly R[];
  /** The uids of rows that are no more. */
  readonly removed: readonly string[];
}

/** Who is told of a list. Calls are batched: at most one of each per frame. */
export interface Listener<R extends Row = Row> {
  changed?(change: Change<R>): void;
  state?(state: State): void;
}

/** A list that is watched. */
export interface Watch<R extends Row = Row> {
  readonly spec: ViewSpec;
  readonly rows: ReadonlyMap<string, R>;
  /** As of now: it is looked at afresh, so that it never says `live` too long. */
  readonly state: State;
  close(): void;
}

/** A list that was asked for once. */
export interface Listed<R extends Row = Row> {
  readonly rows: readonly R[];
  /** As in `State`. */
  readonly asOf: number | null;
  readonly namespaces: readonly string[] | null;
}

/** How the connection stands that all lists of the browser share. */
export interface Health {
  /** Where the connection is kept: for the whole browser (`worker`, `leader`) or for this tab (`alone`). */
  readonly home: "worker" | "leader" | "alone";
  /** `idle`: nobody looks. `signed_out`: there is no session, and there are no rows. */
  readonly link: "idle" | "connecting" | "open" | "waiting" | "polling" | "signed_out";
  /** Why it is not open, for people. */
  readonly message?: string | undefined;
  /** When it is tried again, in milliseconds since the Unix epoch. */
  readonly retryAt?: number | undefined;
  /** How often a stream was opened. */
  readonly opened: number;
  /** How many views the browser shows. */
  readonly views: number;
}

/** How a client is made. */
export interface ClientOptions {
  /** Where Foretop is: the page's own origin if nothing is said. A path is allowed: `https://example.org/foretop`. */
  readonly base?: string | undefined;
  /** Instead of the platform's. Connections are then this tab's own. */
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** A bearer token, asked for at each request. Connections are then this tab's own. */
  readonly token?: (() => string | Promise<string>) | undefined;
  /** The file of the shared worker, of the page's own origin: `/foretop-worker-v1.js`. `null`: none. */
  readonly worker?: string | null | undefined;
  /** How long a hidden tab still listens, in milliseconds: 5000. */
  readonly hiddenGraceMs?: number | undefined;
}

/** Live lists of one Foretop. One per page is enough. */
export interface Client {
  watch<R extends Row = Row>(spec: ViewSpec, listener: Listener<R>): Watch<R>;
  /** Rejects with a `Refused` where the server refuses. */
  list<R extends Row = Row>(spec: ViewSpec, signal?: AbortSignal): Promise<Listed<R>>;
  readonly health: Health;
  /** Calls back with each change of `health`; returns what ends that. */
  onHealth(listener: (health: Health) => void): () => void;
  /** Drops every row in every tab of this browser, at once: for just before one signs out. */
  forget(): void;
  /** Ends all watches. */
  close(): void;
}
