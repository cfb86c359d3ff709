// Watches that components share: one for each view, however many show it.

import type { Client, ViewSpec, Watch } from "@foretop/client";
import { viewKey } from "@foretop/client";
import { QueryObserver, type QueryClient } from "@tanstack/react-query";
import { listQuery, NOTHING, setList, type ResourceList } from "./list.ts";

/** A view that is shown. */
export class Followed {
  list: ResourceList;
  readonly #queries: QueryClient;
  readonly #spec: ViewSpec;
  readonly #client: Client;
  readonly #listeners = new Set<() => void>();
  #watch: Watch | undefined;
  #forget = () => {};

  constructor(client: Client, queries: QueryClient, spec: ViewSpec) {
    this.#client = client;
    this.#queries = queries;
    this.#spec = spec;
    this.list = queries.getQueryData(listQuery(client, spec).queryKey) ?? NOTHING;
  }

  /** Watches as long as somebody listens. Returns what ends that. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) this.#begin();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#end();
    };
  }

  #begin(): void {
    // Somebody has to look at a query, or the cache drops it.
    const observer = new QueryObserver(this.#queries, { ...listQuery(this.#client, this.#spec), enabled: false });
    this.#forget = observer.subscribe(() => {});
    this.#watch = this.#client.watch(this.#spec, {
      changed: ({ rows }) => this.#set({ ...this.list, rows: [...rows.values()], byUid: rows }),
      state: (state) => this.#set({ ...this.list, state }),
    });
  }

  #end(): void {
    this.#watch?.close();
    this.#forget();
    this.list = NOTHING;
  }

  /** Who listens hears it at once, and not with the cache's next turn: rows that are dropped must not be drawn once more. */
  #set(list: ResourceList): void {
    this.list = list;
    setList(this.#queries, this.#spec, list);
    for (const listener of this.#listeners) listener();
  }
}

const all = new WeakMap<Client, WeakMap<QueryClient, Map<string, Followed>>>();

/** The one of this view. */
export function followed(client: Client, queries: QueryClient, spec: ViewSpec): Followed {
  const ofClient = all.get(client) ?? new WeakMap<QueryClient, Map<string, Followed>>();
  all.set(client, ofClient);
  const ofBoth = ofClient.get(queries) ?? new Map<string, Followed>();
  ofClient.set(queries, ofBoth);
  const key = viewKey(spec);
  const found = ofBoth.get(key) ?? new Followed(client, queries, spec);
  ofBoth.set(key, found);
  return found;
}
