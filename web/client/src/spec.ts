// Which views are equal, so that each is asked for once.

import type { ViewSpec } from "./types.ts";

/** The same for equal views, whatever the order in which namespaces were given. */
export function viewKey(spec: ViewSpec): string {
  return JSON.stringify([spec.cluster, spec.kind, [...new Set(spec.namespaces)].sort(), spec.labelSelector?.trim() ?? ""]);
}

/** The view of a key, with nothing in it that was left out. */
export function viewOfKey(key: string): ViewSpec {
  const [cluster, kind, namespaces, labelSelector] = JSON.parse(key) as [string, string, string[], string];
  return {
    cluster,
    kind,
    ...(namespaces.length > 0 && { namespaces }),
    ...(labelSelector !== "" && { labelSelector }),
  };
}
