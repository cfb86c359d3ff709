// A list as TanStack Query's cache has it: the same under the same key, whether it is streamed or was asked for.

import { viewKey, type Client, type Row, type State, type ViewSpec } from "@foretop/client";
import { queryOptions, type QueryClient } from "@tanstack/react-query";

/** A list and how it stands. */
export interface ResourceList<R extends Row = Row> {
  /** A new array with each change; rows that did not change are the same objects. */
  readonly rows: readonly R[];
  readonly byUid: ReadonlyMap<string, R>;
  readonly state: State;
}

/** What all keys begin with. */
export const FORETOP = "foretop";

/** A list of which nothing is known yet. */
export const NOTHING: ResourceList = {
  rows: [],
  byUid: new Map(),
  state: { phase: "connecting", complete: false, asOf: null, namespaces: null },
};

/** The key of a list: equal views have equal keys. */
export function listKey(spec: ViewSpec): readonly [typeof FORETOP, "list", string] {
  return [FORETOP, "list", viewKey(spec)];
}

/** The query of a list, for `useQuery`, `fetchQuery` and the like: what it fetches has the key that `useResourceList` streams to. */
export function listQuery<R extends Row = Row>(client: Client, spec: ViewSpec) {
  return queryOptions({
    queryKey: listKey(spec),
    queryFn: async ({ signal }): Promise<ResourceList<R>> => {
      const { rows, asOf, namespaces } = await client.list<R>(spec, signal);
      const byUid = new Map(rows.map((row) => [row.uid, row]));
      return { rows, byUid, state: { phase: "polling", complete: true, asOf, namespaces } };
    },
    ...KEPT,
  });
}

/** Rows are compared by who brings them, and are gone with the last who shows them: nobody finds another person's in the cache. */
const KEPT = { structuralSharing: false, gcTime: 0, staleTime: Infinity } as const;

/** Puts a list into the cache. */
export function setList(queries: QueryClient, spec: ViewSpec, list: ResourceList): void {
  queries.setQueryData(listKey(spec), list);
}
