/** One object, beside the list: what its row leaves out, its YAML, its events. */

import { useEffect, useId, useRef, useState, type KeyboardEvent } from "react";

import { inCluster } from "../api/ask.ts";
import type { Kind } from "../kinds/kind.ts";
import type { EventRow, Row } from "../kinds/rows.ts";
import { focusGrid } from "../parts/filter-box.tsx";
import { useIsNarrow } from "../parts/narrow.ts";
import { Details } from "./details.tsx";
import { ObjectEvents } from "./object-events.tsx";
import { EventDetails } from "./event-details.tsx";
import { Yaml } from "./yaml.tsx";

interface DrawerProps {
  readonly cluster: string;
  readonly kind: Kind;
  /** `undefined`: there is none (yet, or no longer). */
  readonly row: Row | undefined;
  readonly isComplete: boolean;
  readonly onClose: () => void;
}

const TABS = ["Details", "YAML", "Events"] as const;

type Tab = (typeof TABS)[number];

export function Drawer({ cluster, kind, row: now, isComplete, onClose }: DrawerProps) {
  const [tab, setTab] = useState<Tab>("Details");
  const id = useId();
  const row = useLast(now);
  const close = useRef<HTMLButtonElement>(null);
  const coversList = useIsNarrow();
  useEscape(onClose);
  useEffect(() => {
    if (coversList) close.current?.focus();
  }, [coversList]);
  const path = row ? pathOf(cluster, kind, row) : "";
  const settled = useSettled(path) === path ? path : null;
  if (!row) return null;

  const isGone = now === undefined && isComplete;
  const tabs = kind.name === "events" ? TABS.slice(0, 1) : TABS;
  return (
    <aside className="drawer" aria-label={`${kind.one} ${row.name}`}>
      <header>
        <div className="what">
          <p className="fine">
            {kind.one}
            {row.namespace !== undefined && ` in ${row.namespace}`}
          </p>
          <h2>{row.name}</h2>
        </div>
        <button ref={close} type="button" className="quiet" aria-label="Close" title="Close (Esc)" onClick={onClose}>
          <svg viewBox="0 0 10 10" width="11" height="11" aria-hidden="true">
            <path d="M1 1 9 9M9 1 1 9" fill="none" stroke="currentColor" strokeWidth="1.5" />
          </svg>
        </button>
      </header>
      {isGone && (
        <p className="bar bad" role="status">
          This {kind.one} was deleted while you looked at it.
        </p>
      )}
      {tabs.length > 1 && <Tabs id={id} tab={tab} onTab={setTab} />}
      <div className="content" role={tabs.length > 1 ? "tabpanel" : undefined} aria-labelledby={tabs.length > 1 ? `${id}${tab}` : undefined} tabIndex={0}>
        {kind.name === "events" && <EventDetails cluster={cluster} event={row as EventRow} />}
        {kind.name !== "events" && tab === "Details" && <Details key={path} path={settled} row={row} />}
        {tab === "YAML" && <Yaml key={path} path={settled} />}
        {tab === "Events" && <ObjectEvents key={path} path={settled} />}
      </div>
    </aside>
  );
}

function Tabs({ id, tab, onTab }: { readonly id: string; readonly tab: Tab; readonly onTab: (tab: Tab) => void }) {
  const list = useRef<HTMLDivElement>(null);
  const onKeyDown = (event: KeyboardEvent): void => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const next = TABS[(TABS.indexOf(tab) + step + TABS.length) % TABS.length] ?? tab;
    onTab(next);
    list.current?.querySelectorAll("button")[TABS.indexOf(next)]?.focus();
  };
  return (
    <div className="tabs" role="tablist" aria-label="About the object" ref={list} onKeyDown={onKeyDown}>
      {TABS.map((one) => (
        <button
          key={one}
          id={`${id}${one}`}
          type="button"
          role="tab"
          aria-selected={one === tab}
          tabIndex={one === tab ? 0 : -1}
          onClick={() => onTab(one)}
        >
          {one}
        </button>
      ))}
    </div>
  );
}

function pathOf(cluster: string, kind: Kind, { namespace, name }: Row): string {
  return inCluster(cluster, kind.name, ...(kind.namespaced ? [namespace ?? ""] : []), name);
}

/** How long one stays on a row before the server is asked about it, in milliseconds: who runs through a list asks nothing. */
const SETTLED = 150;

function useSettled(path: string): string {
  const [settled, setSettled] = useState(path);
  useEffect(() => {
    const timer = setTimeout(setSettled, SETTLED, path);
    return () => clearTimeout(timer);
  }, [path]);
  return settled;
}

/** The row as it was last seen. */
function useLast(row: Row | undefined): Row | undefined {
  const last = useRef(row);
  if (row) last.current = row;
  return row ?? last.current;
}

function useEscape(close: () => void): void {
  useEffect(() => {
    const onKey = (event: globalThis.KeyboardEvent): void => {
      if (event.key !== "Escape" || event.defaultPrevented) return;
      close();
      focusGrid();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [close]);
}
