/** Who one is, and the way out. */

import { useRef, type MouseEvent, type KeyboardEvent } from "react";

import type { Whoami } from "../api/shapes.ts";
import { useClient } from "./live.ts";

export function Person({ who }: { readonly who: Whoami }) {
  const client = useClient();
  const menu = useRef<HTMLDetailsElement>(null);
  const close = (event: KeyboardEvent): void => {
    if (event.key !== "Escape" || !menu.current?.open) return;
    event.stopPropagation();
    menu.current.open = false;
    menu.current.querySelector("summary")?.focus();
  };
  // What others could see is gone before the server is asked.
  const leave = (_: MouseEvent): void => client.forget();
  return (
    <details className="person" ref={menu} onKeyDown={close}>
      <summary>{who.email || who.subject}</summary>
      <div className="choices">
        <p>
          <strong>{who.subject}</strong>
        </p>
        <p className="fine">{who.groups.length === 0 ? "In no group" : `In ${who.groups.join(", ")}`}</p>
        {who.tier !== undefined && <p className="fine">Tier {who.tier}</p>}
        {who.mode === "oidc" ? (
          <>
            <a href="/api/auth/logout" onClick={leave}>
              Sign out
            </a>
            <a href="/api/auth/logout/everywhere" onClick={leave}>
              Sign out everywhere
            </a>
          </>
        ) : (
          <p className="fine">{WHY_NOT[who.mode] ?? ""}</p>
        )}
      </div>
    </details>
  );
}

/** Why one cannot sign out here. */
const WHY_NOT: Readonly<Record<string, string>> = {
  dev: "This server asks nobody who they are (auth.mode: dev).",
  header: "A proxy in front of this server has signed you in; sign out there.",
  bearer: "You are known by a token that is brought for you.",
};
