/** The lists that this page watches. */

import type { Client, State, ViewSpec } from "@foretop/client";
import { createContext, useContext, useEffect, useMemo, useState, useSyncExternalStore } from "react";

import type { Kind } from "../kinds/kind.ts";
import type { Row } from "../kinds/rows.ts";
import { orderOf, readingOf, type OrderText } from "../table/reading.ts";
import { RowStore } from "../table/store.ts";

/** The client of the page: one connection for all its lists. */
export const ClientContext = createContext<Client | null>(null);

export function useClient(): Client {
  const client = useContext(ClientContext);
  if (!client) throw new Error("a page stands below a ClientContext");
  return client;
}

export interface LiveList {
  readonly store: RowStore<Row>;
  readonly state: State;
}

const CONNECTING: State = { phase: "connecting", complete: false, asOf: null, namespaces: null };

/** A list, for as long as the page shows it. Another cluster, kind, selector or other namespaces: another list. */
export function useLiveList(kind: Kind, { cluster, namespaces, labelSelector }: Omit<ViewSpec, "kind">, order: OrderText): LiveList {
  const client = useClient();
  const identity = JSON.stringify([cluster, kind.name, namespaces, labelSelector]);
  const store = useMemo(
    () => new RowStore(readingOf(kind), orderOf(kind.columns, order)),
    // The order in which it begins; another one is told to the store.
    [identity],
  );
  const [told, setTold] = useState<{ readonly store: RowStore<Row>; readonly state: State } | null>(null);

  useEffect(() => {
    let isComplete = false;
    const tell = (state: State): void => {
      isComplete = state.complete;
      setTold({ store, state });
    };
    const watch = client.watch({ cluster, kind: kind.name, namespaces, labelSelector }, {
      changed({ put, removed }) {
        // What comes before the list is whole is the list, not a change.
        store.apply(put as readonly Row[], removed, isComplete ? performance.now() : 0);
      },
      state: tell,
    });
    if (watch.rows.size > 0) store.apply([...watch.rows.values()] as Row[], [], 0);
    tell(watch.state);
    return () => watch.close();
  }, [client, store]);

  return { store, state: told?.store === store ? told.state : CONNECTING };
}

/** How the connection stands. */
export function useLink() {
  const client = useClient();
  return useSyncExternalStore(
    (tell) => client.onHealth(tell),
    () => client.health,
  );
}
