// A multiplexed stream under test: asks, listens, and remembers all that was said.

import { events } from "./sse.mjs";

/** How long anything may take that must happen, in milliseconds. */
export const PATIENCE_MS = 30_000;

/** A server under test. */
export class Server {
  constructor(base, headers) {
    this.base = base.replace(/\/+$/, "");
    this.headers = headers;
  }

  get(path, headers = {}) {
    return fetch(this.base + path, { headers: { accept: "application/json", ...this.headers, ...headers } });
  }

  post(path, body, headers = {}, signal) {
    return fetch(this.base + path, {
      method: "POST",
      headers: { accept: "application/json", "content-type": "application/json", origin: this.base, ...this.headers, ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
      signal,
    });
  }

  /** Opens a stream; fails where the answer is none. */
  async open(views) {
    const abort = new AbortController();
    const response = await this.post("/api/stream", { views }, { accept: "text/event-stream" }, abort.signal);
    if (response.status !== 200) throw new Error(`POST /api/stream answered ${response.status}: ${(await response.text()).slice(0, 300)}`);
    return new Stream(this, response, abort);
  }
}

/** What is known of a view, from its events alone. */
class View {
  constructor(ref) {
    this.ref = ref;
    this.rows = new Map();
    this.position = undefined;
    this.begun = undefined;
    this.synced = undefined;
    this.statuses = [];
    this.moves = 0;
  }
}

export class Stream {
  constructor(server, response, abort) {
    this.server = server;
    this.response = response;
    this.log = [];
    this.views = new Map();
    this.byNumber = new Map();
    this.denied = new Map();
    this.hello = undefined;
    this.openedAt = Date.now();
    this.error = undefined;
    this.isOver = false;
    this.abort = abort;
    this.wake = () => {};
    void this.#listen();
  }

  close() {
    this.isOver = true;
    this.abort.abort();
  }

  /** Adds and removes views; the answer as it is. */
  change(change) {
    for (const ref of change.remove ?? []) this.#drop(ref);
    return this.server.post(`/api/stream/${this.hello.stream}/views`, change);
  }

  /** Waits until something is so, and fails where it is not in time. */
  async until(what, isSo, patience = PATIENCE_MS) {
    const deadline = Date.now() + patience;
    for (;;) {
      if (this.error) throw this.error;
      const found = isSo();
      if (found) return found;
      if (Date.now() > deadline) throw new Error(`not within ${patience / 1000} s: ${what}`);
      if (this.isOver) throw new Error(`the stream ended before: ${what}`);
      await new Promise((resolve) => {
        this.wake = resolve;
        setTimeout(resolve, 100);
      });
    }
  }

  /** A view of which all rows are there. */
  synced(ref) {
    return this.until(`view ${ref} is synced`, () => {
      if (this.denied.has(ref)) throw new Error(`view ${ref} is denied: ${JSON.stringify(this.denied.get(ref))}`);
      const view = this.views.get(ref);
      return view?.synced && view;
    });
  }

  async #listen() {
    try {
      for await (const event of events(this.response.body)) {
        event.at = Date.now();
        this.log.push(event);
        if (event.event !== "") this.#apply(event);
        this.wake();
      }
    } catch (error) {
      if (!this.isOver) this.error = error;
    }
    this.isOver = true;
    this.wake();
  }

  #drop(ref) {
    this.views.delete(ref);
    for (const refs of this.byNumber.values()) refs.delete(ref);
  }

  #apply(event) {
    const { event: name, number, data } = event;
    if (name === "hello") this.hello = data;
    else if (name === "view") this.#numbered(number, data);
    else if (name === "denied") {
      this.denied.set(data.ref, data);
      this.#drop(data.ref);
    } else if (number !== undefined) for (const ref of this.byNumber.get(number) ?? []) this.#ofView(this.views.get(ref), event);
  }

  #numbered(number, { ref, namespaces, resumed }) {
    if (number === undefined) throw new Error("a `view` without its number");
    for (const refs of this.byNumber.values()) refs.delete(ref);
    const view = this.views.get(ref) ?? new View(ref);
    Object.assign(view, { number, namespaces, resumed });
    this.views.set(ref, view);
    this.byNumber.set(number, (this.byNumber.get(number) ?? new Set()).add(ref));
  }

  #ofView(view, { event: name, position, data, bytes }) {
    if (name === "begin") Object.assign(view, { begun: data, fresh: new Map(), synced: undefined, chunks: [] });
    else if (name === "snapshot") {
      if (!view.fresh) throw new Error("a `snapshot` without `begin`");
      view.chunks.push({ bytes, rows: data.items.length });
      for (const row of data.items) view.fresh.set(row.uid, row);
    } else if (name === "synced") {
      if (view.fresh) view.rows = view.fresh;
      view.fresh = undefined;
      view.synced = data;
    } else if (name === "added" || name === "modified") (view.fresh ?? view.rows).set(data.object.uid, data.object);
    else if (name === "deleted") (view.fresh ?? view.rows).delete(data.object.uid);
    else if (name === "status") view.statuses.push({ ...data, at: Date.now() });
    else if (name === "reset") view.reset = data.reason;
    if (position === undefined) return;
    view.position = position;
    if (name !== "synced") view.moves += 1;
  }
}
