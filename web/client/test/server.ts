// A server of the multiplexed stream within the test, behind a `fetch`: as the protocol has it, and with the faults that a test asks for.

import type { Row } from "../src/types.ts";

/** A row of a pod. */
export function pod(name: string, more: Partial<Row> = {}): Row {
  return { name, namespace: "default", phase: "Running", createdAt: "2026-11-21T10:00:00Z", uid: `uid-${name}`, labels: {}, owner: null, ...more };
}

interface AskedView {
  ref: string;
  cluster: string;
  kind: string;
  namespaces?: string[];
  labelSelector?: string;
  position?: string;
}

interface Shown {
  number: number;
  list: FakeList;
  namespaces: string[] | undefined;
}

/** One kind of one cluster: its rows, and all that ever happened to them. */
class FakeList {
  readonly rows = new Map<string, Row>();
  readonly history: { rv: number; event: string; row: Row }[] = [];
  rv = 100;
}

/** One open stream. */
class FakeStream {
  readonly id: string;
  readonly views = new Map<string, Shown>();
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  readonly body: ReadableStream<Uint8Array>;
  isOpen = true;

  /** `owner` is whose connection it is. */
  constructor(id: string, readonly owner: unknown) {
    this.id = id;
    this.body = new ReadableStream({ start: (controller) => void (this.#controller = controller), cancel: () => this.closed() });
  }

  closed(): void {
    this.isOpen = false;
  }

  say(event: string, id: string | undefined, data: unknown): void {
    if (!this.isOpen) return;
    const text = `event: ${event}\n${id === undefined ? "" : `id: ${id}\n`}data: ${JSON.stringify(data)}\n\n`;
    this.#controller?.enqueue(new TextEncoder().encode(text));
  }

  end(error?: Error): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    if (error) this.#controller?.error(error);
    else this.#controller?.close();
  }
}

/** What the next requests are answered with, instead of what they should be. */
export interface Faults {
  /** Status, body and headers of an answer to `POST /api/stream`. */
  refuse?: (body: { views: AskedView[] }) => Response | undefined;
  /** Streams whose bytes do not come, and maybe not even their head. */
  buffers?: "body" | "head" | undefined;
  /** There is no network. */
  away?: boolean;
  /** Another replica answers changes. */
  elsewhere?: boolean;
}

export class FakeServer {
  readonly faults: Faults = {};
  session: string | null = "tag-a";
  heartbeatMs = 15_000;
  /** Every request, as `POST /api/stream`. */
  readonly requests: string[] = [];
  /** What each `POST /api/stream` asked for. */
  readonly asked: AskedView[][] = [];
  readonly streams: FakeStream[] = [];
  readonly denied = new Map<string, string>();
  /** As many selectors as there may be are in use. */
  hasSelectorsEnough = false;
  readonly #lists = new Map<string, FakeList>();
  #numbers = new Map<string, number>();
  #ids = 0;

  /** The open ones. */
  get open(): FakeStream[] {
    return this.streams.filter((stream) => stream.isOpen);
  }

  list(cluster: string, kind: string): FakeList {
    const key = `${cluster}/${kind}`;
    const list = this.#lists.get(key) ?? new FakeList();
    this.#lists.set(key, list);
    return list;
  }

  put(cluster: string, kind: string, row: Row): void {
    const list = this.list(cluster, kind);
    this.#happened(list, list.rows.has(row.uid) ? "modified" : "added", row);
    list.rows.set(row.uid, row);
  }

  remove(cluster: string, kind: string, uid: string): void {
    const list = this.list(cluster, kind);
    const row = list.rows.get(uid);
    if (!row) return;
    list.rows.delete(uid);
    this.#happened(list, "deleted", row);
  }

  /** The status of each view, as with each heartbeat. */
  beat(state = "live", ageMs = 0, madeAt = Date.now()): void {
    for (const stream of this.open) {
      for (const { number } of stream.views.values()) {
        stream.say("status", String(number), { state, asOf: new Date(madeAt - ageMs).toISOString(), ageMs });
      }
    }
  }

  /** Who had this connection is no more. */
  die(owner: unknown): void {
    for (const stream of this.open) if (stream.owner === owner) stream.closed();
  }

  readonly fetch = async (input: RequestInfo | URL, init: RequestInit = {}, owner?: unknown): Promise<Response> => {
    const url = new URL(String(input));
    this.requests.push(`${init.method ?? "GET"} ${url.pathname}`);
    if (this.faults.away) throw new TypeError("fetch failed");
    const answer = this.#answer(url, init, owner);
    if (url.pathname === "/api/stream" && this.faults.buffers === "head") return new Promise((_, reject) => this.#onAbort(init, reject));
    return answer;
  };

  #onAbort(init: RequestInit, call: (error: Error) => void): void {
    init.signal?.addEventListener("abort", () => call(new DOMException("aborted", "AbortError")));
  }

  #answer(url: URL, init: RequestInit, owner: unknown): Response {
    if (url.pathname === "/api/auth/whoami") return this.session === null ? refusal(401, "unauthenticated") : json({ sessionTag: this.session });
    if (this.session === null) return refusal(401, "unauthenticated");
    if (url.pathname === "/api/stream") return this.#open(JSON.parse(String(init.body)), init, owner);
    const change = /^\/api\/stream\/([^/]+)\/views$/.exec(url.pathname);
    if (change) return this.#change(change[1] ?? "", JSON.parse(String(init.body)));
    return this.#list(url, new Headers(init.headers));
  }

  #open(body: { views: AskedView[] }, init: RequestInit, owner: unknown): Response {
    this.asked.push(body.views);
    const refused = this.faults.refuse?.(body);
    if (refused) return refused;
    const stream = new FakeStream(`stream-${(this.#ids += 1)}`, owner);
    this.streams.push(stream);
    this.#onAbort(init, (error) => stream.end(error));
    if (this.faults.buffers !== "body") {
      const { session, heartbeatMs } = this;
      stream.say("hello", undefined, { protocol: 1, stream: stream.id, session, heartbeatMs, liveMs: 25_000, now: new Date().toISOString() });
      for (const view of body.views) this.#show(stream, view);
    }
    return new Response(stream.body, { headers: { "content-type": "text/event-stream" } });
  }

  #change(id: string, { add = [], remove = [] }: { add?: AskedView[]; remove?: string[] }): Response {
    if (this.faults.elsewhere) return refusal(409, "stream_elsewhere");
    const stream = this.open.find((open) => open.id === id);
    if (!stream) return refusal(404, "stream_unknown");
    for (const ref of remove) stream.views.delete(ref);
    for (const view of add) this.#show(stream, view);
    return json({ added: add.length, removed: remove.length });
  }

  #show(stream: FakeStream, view: AskedView): void {
    const isOneTooMany = this.hasSelectorsEnough && view.labelSelector !== undefined;
    const code = isOneTooMany ? "too_many_selectors" : this.denied.get(`${view.cluster}/${view.kind}`);
    if (code) return stream.say("denied", undefined, { ref: view.ref, code, message: `because of ${code}` });
    const list = this.list(view.cluster, view.kind);
    const key = JSON.stringify([view.cluster, view.kind, view.namespaces]);
    const number = this.#numbers.get(key) ?? this.#numbers.size + 1;
    this.#numbers.set(key, number);
    stream.views.set(view.ref, { number, list, namespaces: view.namespaces });
    const since = view.position === undefined ? undefined : Number(view.position);
    stream.say("view", String(number), { ref: view.ref, namespaces: view.namespaces ?? null, resumed: since !== undefined });
    if (since === undefined) this.#snapshot(stream, number, list, view.namespaces);
    else this.#resume(stream, number, list, since, view.namespaces);
    stream.say("status", String(number), { state: "live", asOf: new Date().toISOString(), ageMs: 0 });
  }

  #snapshot(stream: FakeStream, number: number, list: FakeList, namespaces: string[] | undefined): void {
    const rows = [...list.rows.values()].filter((row) => isIn(namespaces, row));
    stream.say("begin", String(number), { rv: String(list.rv), count: rows.length });
    for (let from = 0; from < rows.length; from += 2) stream.say("snapshot", String(number), { items: rows.slice(from, from + 2) });
    stream.say("synced", `${number}/${list.rv}`, { count: rows.length, rv: String(list.rv), resumed: false });
  }

  #resume(stream: FakeStream, number: number, list: FakeList, since: number, namespaces: string[] | undefined): void {
    for (const { rv, event, row } of list.history) if (rv > since && isIn(namespaces, row)) stream.say(event, `${number}/${rv}`, { object: row });
    stream.say("synced", `${number}/${list.rv}`, { rv: String(list.rv), resumed: true });
  }

  #happened(list: FakeList, event: string, row: Row): void {
    list.rv += 1;
    list.history.push({ rv: list.rv, event, row });
    for (const stream of this.open) {
      for (const shown of stream.views.values()) {
        if (shown.list === list && isIn(shown.namespaces, row)) stream.say(event, `${shown.number}/${list.rv}`, { object: row });
      }
    }
  }

  #list(url: URL, headers: Headers): Response {
    const [, cluster = "", kind = ""] = /^\/api\/clusters\/([^/]+)\/([^/]+)$/.exec(url.pathname) ?? [];
    if (this.hasSelectorsEnough && url.searchParams.has("labelSelector")) return refusal(429, "too_many_selectors");
    const code = this.denied.get(`${cluster}/${kind}`);
    if (code) return refusal(code === "forbidden" ? 403 : 404, code);
    const list = this.list(cluster, kind);
    const etag = `"${list.rv}"`;
    const about = { etag, "foretop-as-of": new Date().toISOString(), "foretop-age-ms": "40" };
    if (headers.get("if-none-match") === etag) return new Response(null, { status: 304, headers: about });
    const namespaces = url.searchParams.getAll("namespace");
    return json({ [kind]: [...list.rows.values()].filter((row) => isIn(namespaces.length > 0 ? namespaces : undefined, row)) }, about);
  }
}

function isIn(namespaces: readonly string[] | undefined, { namespace }: Row): boolean {
  return !namespaces || namespaces.includes(namespace ?? "");
}

export function refusal(status: number, code: string, more: { message?: string; headers?: Record<string, string> } = {}): Response {
  return new Response(JSON.stringify({ error: { code, message: more.message ?? code } }), {
    status,
    headers: { "content-type": "application/json", ...more.headers },
  });
}

function json(body: unknown, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), { headers: { "content-type": "application/json", ...headers } });
}
