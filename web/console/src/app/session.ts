/** Who is signed in. */

import { useEffect, useState, useSyncExternalStore } from "react";

import { ask, Refused, whenSignedOut } from "../api/ask.ts";
import type { AuthConfig, Whoami } from "../api/shapes.ts";

export type Session =
  | { readonly phase: "asking" }
  | { readonly phase: "in"; readonly who: Whoami }
  | { readonly phase: "out" }
  | { readonly phase: "unreachable"; readonly message: string };

let session: Session = { phase: "asking" };
const watchers = new Set<() => void>();

function become(next: Session): void {
  session = next;
  for (const watcher of watchers) watcher();
}

/** Asks the server who one is. */
export async function refresh(): Promise<void> {
  try {
    become({ phase: "in", who: await ask<Whoami>("/api/auth/whoami") });
  } catch (error) {
    if (error instanceof Refused && error.status === 401) become({ phase: "out" });
    // Who is signed in stays so while the server is away: pages say that themselves.
    else if (session.phase !== "in") become({ phase: "unreachable", message: error instanceof Error ? error.message : "" });
  }
}

/** Nobody is signed in any more: nothing of theirs stays on the screen. */
export function signedOut(): void {
  if (session.phase === "in") become({ phase: "out" });
}

whenSignedOut(signedOut);

export function useSession(): Session {
  return useSyncExternalStore(
    (tell) => {
      watchers.add(tell);
      return () => watchers.delete(tell);
    },
    () => session,
  );
}

/** How one signs in here; `undefined`: not known yet. */
export function useAuthConfig(): AuthConfig | undefined {
  const [config, setConfig] = useState<AuthConfig>();
  useEffect(() => {
    ask<AuthConfig>("/api/auth/config").then(setConfig, () => setConfig({ authMode: "unknown" }));
  }, []);
  return config;
}
