/** The page of a kind: its objects in a cluster, live. */

import type { State } from "@foretop/client";
import { useDeferredValue, useEffect, useRef } from "react";

import { adjust, useAddress } from "../app/address.ts";
import { useLiveList } from "../app/live.ts";
import type { Kind } from "../kinds/kind.ts";
import type { Row } from "../kinds/rows.ts";
import { Badge } from "../parts/badge.tsx";
import { FilterBox } from "../parts/filter-box.tsx";
import { NamespacePicker } from "../parts/namespace-picker.tsx";
import { number } from "../parts/number.ts";
import { SelectorBox } from "../parts/selector-box.tsx";
import { Grid } from "../table/grid.tsx";
import { orderOf } from "../table/reading.ts";
import { useVersion, type RowStore } from "../table/store.ts";
import { Drawer } from "./drawer.tsx";
import { Absence, Notice } from "./notice.tsx";
import { useTitle } from "./title.ts";

export function ListPage({ cluster, kind }: { readonly cluster: string; readonly kind: Kind }) {
  const { query } = useAddress();
  const namespaces = kind.namespaced ? query.getAll("namespace") : [];
  const selector = query.get("selector") ?? "";
  const order = query.get("sort") ?? kind.order ?? "";
  const text = query.get("filter") ?? "";
  const openId = query.get("open") ?? undefined;
  useTitle(`${kind.title} · ${cluster}`);

  const { store, state } = useLiveList(kind, { cluster, namespaces, labelSelector: selector || undefined }, order);
  const searched = useDeferredValue(text);
  useEffect(() => store.filterBy(searched), [store, searched]);
  const sortedAs = useRef(order);
  useEffect(() => {
    if (sortedAs.current !== order) store.sortBy(orderOf(kind.columns, order));
    sortedAs.current = order;
  }, [store, order, kind]);

  const filter = useRef<HTMLInputElement>(null);
  const open = openId === undefined ? undefined : store.index.get(openId)?.row;
  return (
    <main className={openId === undefined ? "page list" : "page list with-drawer"} id="main">
      <header className="toolbar">
        <h1>{kind.title}</h1>
        <Badge state={state} />
        <span className="room" />
        {kind.namespaced && <NamespacePicker cluster={cluster} chosen={namespaces} partial={state.namespaces} />}
        <SelectorBox key={`${cluster} ${kind.name}`} selector={selector} onSelector={(next) => adjust({ selector: next })} />
        <FilterBox ref={filter} text={text} onText={(next) => adjust({ filter: next })} />
      </header>
      <Notice state={state} kind={kind} cluster={cluster} asked={namespaces} />
      <div className="split">
        <Grid
          key={`${cluster} ${kind.name}`}
          label={`${kind.title} in ${cluster}`}
          store={store}
          columns={kind.columns}
          order={order}
          onOrder={(next) => adjust({ sort: next })}
          openId={openId}
          onOpen={(entry) => adjust({ open: entry.id })}
        >
          <Absence state={state} kind={kind} cluster={cluster} total={store.index.total} narrowing={{ namespaces, selector, text }} />
        </Grid>
        {openId !== undefined && (
          <Drawer
            key={`${cluster} ${kind.name}`}
            cluster={cluster}
            kind={kind}
            row={open}
            isComplete={state.complete}
            onClose={() => adjust({ open: null })}
          />
        )}
      </div>
      <Footer store={store} kind={kind} state={state} />
    </main>
  );
}

interface FooterProps {
  readonly store: RowStore<Row>;
  readonly kind: Kind;
  readonly state: State;
}

function Footer({ store, kind, state }: FooterProps) {
  useVersion(store);
  return (
    <footer className="statusbar">
      <span className="count">{counted(store.index, kind, state)}</span>
      <span className="room" />
      <span className="hints" aria-hidden="true">
        <kbd>j</kbd> <kbd>k</kbd> move <kbd>Enter</kbd> open <kbd>/</kbd> filter <kbd>Esc</kbd> close
      </span>
    </footer>
  );
}

/** A list that is not all there has no number yet. */
function counted({ size, total }: { readonly size: number; readonly total: number }, { one, title }: Kind, state: State): string {
  const many = title.toLowerCase();
  if (!state.complete && total === 0) return "";
  if (!state.complete) return `${number(total)} of ${state.expected === undefined ? "more" : number(state.expected)} ${many} so far`;
  const all = `${number(total)} ${total === 1 ? one : many}`;
  return size === total ? all : `${number(size)} of ${all}`;
}
