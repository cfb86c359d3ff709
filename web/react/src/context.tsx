// Which client the hooks below stand on.

import type { Client } from "@foretop/client";
import { createContext, useContext, type ReactElement, type ReactNode } from "react";

const Context = createContext<Client | null>(null);

/** Gives the hooks below it their client. */
export function ForetopProvider({ client, children }: { readonly client: Client; readonly children: ReactNode }): ReactElement {
  return <Context.Provider value={client}>{children}</Context.Provider>;
}

/** The client of the nearest `ForetopProvider`. */
export function useForetop(): Client {
  const client = useContext(Context);
  if (!client) throw new Error("there is no <ForetopProvider client={…}> around this component");
  return client;
}
