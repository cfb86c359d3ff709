// What components call.

import type { Health, Row, ViewSpec } from "@foretop/client";
import { viewKey } from "@foretop/client";
import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useMemo, useSyncExternalStore } from "react";
import { useForetop } from "./context.tsx";
import { followed } from "./follow.ts";
import { NOTHING, type ResourceList } from "./list.ts";

/** A live list. It is watched as long as a component shows it; components that show the same share it. */
export function useResourceList<R extends Row = Row>(spec: ViewSpec): ResourceList<R> {
  const client = useForetop();
  const queries = useQueryClient();
  const key = viewKey(spec);
  // `key` is all that `spec` says.
  const view = useMemo(() => followed(client, queries, spec), [client, queries, key]);
  const listen = useCallback((listener: () => void) => view.listen(listener), [view]);
  const list = useSyncExternalStore(listen, () => view.list, () => NOTHING);
  return list as ResourceList<R>;
}

/** How the connection stands that all lists share. */
export function useStreamHealth(): Health {
  const client = useForetop();
  const listen = useCallback((listener: () => void) => client.onHealth(listener), [client]);
  return useSyncExternalStore(listen, () => client.health, () => client.health);
}
