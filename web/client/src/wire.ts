// The requests that there are.

import { refusalOf, Refused } from "./refused.ts";
import type { Row, ViewSpec } from "./types.ts";

/** A view as a stream is asked for it. */
export interface AskedView extends ViewSpec {
  readonly ref: string;
  readonly position?: string;
}

/** Who one is, as far as the client must know. */
export interface Session {
  /** The same for all that one person's session sees; `""` where the server has no tags. */
  readonly tag: string;
}

/** A list's answer. */
export interface Answer {
  readonly rows: readonly Row[];
  readonly etag: string | null;
  readonly ageMs: number;
  readonly namespaces: readonly string[] | null;
}

/** How requests are sent. */
export interface WireOptions {
  /** Absolute in a browser; without a slash at its end. */
  readonly base: string;
  readonly fetch?: typeof globalThis.fetch | undefined;
  readonly token?: (() => string | Promise<string>) | undefined;
}

/** The server, as requests see it. Each rejects with a `Refused` for an answer that it has no use for. */
export class Wire {
  readonly #options: WireOptions;

  constructor(options: WireOptions) {
    this.#options = options;
  }

  /** The open answer of a stream. */
  async openStream(views: readonly AskedView[], signal: AbortSignal): Promise<Response> {
    const response = await this.#ask("/api/stream", { accept: "text/event-stream" }, { views }, signal);
    if (!response.ok) throw await refusalOf(response);
    if (response.headers.get("content-type")?.startsWith("text/event-stream")) return response;
    // A page in place of a route that is not there.
    throw new Refused(404, "no_stream", "there are no multiplexed streams here", 0);
  }

  async changeViews(stream: string, add: readonly AskedView[], remove: readonly string[], signal: AbortSignal): Promise<void> {
    const response = await this.#ask(`/api/stream/${stream}/views`, {}, { add, remove }, signal);
    if (!response.ok) throw await refusalOf(response);
    await response.arrayBuffer();
  }

  /** A list; `undefined` where nothing changed since `etag`. */
  async list(spec: ViewSpec, etag: string | null, signal?: AbortSignal): Promise<Answer | { readonly unchangedAgeMs: number }> {
    const query = new URLSearchParams({ rows: "full" });
    if (spec.labelSelector) query.set("labelSelector", spec.labelSelector);
    for (const namespace of spec.namespaces ?? []) query.append("namespace", namespace);
    const path = `/api/clusters/${encodeURIComponent(spec.cluster)}/${encodeURIComponent(spec.kind)}?${query}`;
    const response = await this.#ask(path, etag ? { "if-none-match": etag } : {}, undefined, signal);
    const ageMs = Number(response.headers.get("foretop-age-ms") ?? 0) || 0;
    if (response.status === 304) return { unchangedAgeMs: ageMs };
    if (!response.ok) throw await refusalOf(response);
    const body = (await response.json()) as Record<string, unknown>;
    // The one list in it, whose name is the kind's.
    const rows = (Object.values(body).find(Array.isArray) ?? []) as Row[];
    // The head says how many namespaces are shown where it is not all, and not which.
    const namespaces = response.headers.has("foretop-scope") ? namespacesOf(spec, rows) : null;
    return { rows, etag: response.headers.get("etag"), ageMs, namespaces };
  }

  /** `null`: nobody is signed in. */
  async whoami(signal?: AbortSignal): Promise<Session | null> {
    const response = await this.#ask("/api/auth/whoami", {}, undefined, signal);
    if (response.status === 401) return null;
    if (!response.ok) throw await refusalOf(response);
    const said = (await response.json()) as { sessionTag?: string };
    return { tag: said.sessionTag ?? "" };
  }

  async #ask(path: string, more: Record<string, string>, body: unknown, signal?: AbortSignal): Promise<Response> {
    const headers: Record<string, string> = { accept: "application/json", ...more };
    if (body !== undefined) headers["content-type"] = "application/json";
    if (this.#options.token) headers["authorization"] = `Bearer ${await this.#options.token()}`;
    // Called by itself: the platform's `fetch` is no method of ours.
    const { base, fetch = globalThis.fetch } = this.#options;
    return fetch(base + path, {
      method: body === undefined ? "GET" : "POST",
      headers,
      credentials: this.#options.token ? "omit" : "include",
      cache: "no-store",
      ...(body !== undefined && { body: JSON.stringify(body) }),
      ...(signal && { signal }),
    });
  }
}

/** Those that were asked for, or else those that have rows. */
function namespacesOf({ namespaces }: ViewSpec, rows: readonly Row[]): readonly string[] {
  if (namespaces && namespaces.length > 0) return namespaces;
  return [...new Set(rows.map(({ namespace }) => namespace ?? ""))].sort();
}
