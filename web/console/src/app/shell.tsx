/** What stands around each page: where one is, who one is, and the kinds of the cluster. */

import { useEffect, useState, type ReactNode } from "react";

import type { Features, Whoami } from "../api/shapes.ts";
import { useAsked } from "../api/use-asked.ts";
import { GROUPS } from "../kinds/kind.ts";
import { KINDS } from "../kinds/kinds.ts";
import { Link } from "../parts/link.tsx";
import { clusterPath, useAddress } from "./address.ts";
import { Person } from "./person.tsx";
import { ThemeSwitch } from "./theme.tsx";

interface ShellProps {
  readonly who: Whoami;
  readonly children: ReactNode;
}

export function Shell({ who, children }: ShellProps) {
  const { parts } = useAddress();
  const cluster = parts[0] === "clusters" ? parts[1] : undefined;
  const [isOpen, setOpen] = useState(false);
  const page = parts.join("/");
  // Who has chosen a page on a phone wants to see it.
  useEffect(() => setOpen(false), [page]);
  return (
    <div className={cluster === undefined ? "shell" : "shell with-sidebar"}>
      <a className="skip" href="#main" onClick={toMain}>
        To the page
      </a>
      <header className="topbar">
        {cluster !== undefined && (
          <button type="button" className="quiet menu" aria-label="Kinds" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
            <svg viewBox="0 0 12 12" width="14" height="14" aria-hidden="true">
              <path d="M1 2.5h10M1 6h10M1 9.5h10" fill="none" stroke="currentColor" strokeWidth="1.4" />
            </svg>
          </button>
        )}
        <nav className="crumbs" aria-label="Where you are">
          <Link to="/" className="brand" aria-label="Foretop: all clusters">
            <svg viewBox="0 0 16 16" width="18" height="18" aria-hidden="true">
              <path d="M8 1v14M2.5 4.5h11M4 8.5h8M3 15h10" fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinecap="round" />
            </svg>
            <span>Foretop</span>
          </Link>
          {cluster !== undefined && (
            <>
              <span aria-hidden="true">/</span>
              <Link to={clusterPath(cluster)}>{cluster}</Link>
            </>
          )}
        </nav>
        <span className="room" />
        <Link to="/server" className="plain" aria-current={parts[0] === "server" ? "page" : undefined}>
          Server
        </Link>
        <ThemeSwitch />
        <Person who={who} />
      </header>
      {cluster !== undefined && <Sidebar cluster={cluster} current={parts[2]} isOpen={isOpen} />}
      {children}
    </div>
  );
}

function Sidebar({ cluster, current, isOpen }: { readonly cluster: string; readonly current: string | undefined; readonly isOpen: boolean }) {
  const { answer } = useAsked<Features>("/api/features", 0);
  const streamed = answer?.watchStreams;
  const kinds = streamed ? KINDS.filter(({ name }) => streamed.includes(name)) : KINDS;
  return (
    <nav className={isOpen ? "sidebar open" : "sidebar"} aria-label="Kinds">
      <Link to={clusterPath(cluster)} aria-current={current === undefined ? "page" : undefined}>
        Overview
      </Link>
      {GROUPS.map((group) => {
        const inGroup = kinds.filter((kind) => kind.group === group);
        if (inGroup.length === 0) return null;
        return (
          <section key={group}>
            <h2>{group}</h2>
            {inGroup.map(({ name, title }) => (
              <Link key={name} to={clusterPath(cluster, name)} aria-current={name === current ? "page" : undefined}>
                {title}
              </Link>
            ))}
          </section>
        );
      })}
    </nav>
  );
}

function toMain(event: { preventDefault(): void }): void {
  event.preventDefault();
  const main = document.getElementById("main");
  main?.querySelector<HTMLElement>("[role=grid], a, button")?.focus();
}
