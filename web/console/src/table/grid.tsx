/**
 * A table of any number of rows, of which those in sight are drawn.
 *
 * TanStack Table has the columns and their order, TanStack Virtual which rows are in sight; rows come from the index, so that both see a window of a
 * few dozen and no change costs more because the list is long. Widths are the columns' own: nothing moves when rows stream in.
 */

import { useTable, type ColumnDef } from "@tanstack/react-table";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useId, useMemo, useRef, useState, type CSSProperties, type KeyboardEvent, type ReactNode } from "react";

import type { Column } from "../kinds/column.ts";
import { useIsNarrow } from "../parts/narrow.ts";
import { Cell, Cells, isFresh } from "./cells.tsx";
import { features, type Features } from "./features.ts";
import { Head } from "./head.tsx";
import type { Entry } from "./index.ts";
import { moved } from "./keys.ts";
import type { OrderText } from "./reading.ts";
import { useVersion, type RowStore } from "./store.ts";

const HEAD_HEIGHT = 30;
const ROW_HEIGHT = 28;
const NARROW_ROW_HEIGHT = 46;

/** Rows that the scroller knows of come in such steps: it need not measure anew with each row. */
const STEP = 512;

export interface GridProps<R> {
  readonly label: string;
  readonly store: RowStore<R>;
  readonly columns: readonly Column<R>[];
  readonly order: OrderText;
  readonly onOrder: (order: OrderText) => void;
  /** The row that is open beside the table. */
  readonly openId?: string | undefined;
  readonly onOpen?: ((entry: Entry<R>) => void) | undefined;
  /** What stands in place of rows where there are none. */
  readonly children?: ReactNode;
}

export function Grid<R>({ label, store, columns, order, onOrder, openId, onOpen, children }: GridProps<R>) {
  useVersion(store);
  const { index } = store;
  const base = useId();
  const isNarrow = useIsNarrow();
  const scroller = useRef<HTMLDivElement>(null);
  const [active, setActive] = useState<{ readonly id: string; readonly place: number } | null>(null);

  const rowHeight = isNarrow ? NARROW_ROW_HEIGHT : ROW_HEIGHT;
  const virtualizer = useVirtualizer({
    count: Math.ceil(index.size / STEP) * STEP,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 6,
    paddingStart: HEAD_HEIGHT,
    scrollPaddingStart: HEAD_HEIGHT,
    useFlushSync: false,
  });
  useEffect(() => virtualizer.measure(), [virtualizer, rowHeight]);

  const items = virtualizer.getVirtualItems();
  const from = Math.min(items[0]?.index ?? 0, index.size);
  const to = Math.min((items.at(-1)?.index ?? -1) + 1, index.size);
  const inSight = index.slice(from, to);

  const shown = useMemo(() => columns.filter(({ always }) => !isNarrow || always), [columns, isNarrow]);
  const definitions = useMemo(() => shown.map((column) => definition(column, isNarrow)), [shown, isNarrow]);
  const table = useTable({ features, data: inSight, columns: definitions, getRowId: (entry) => entry.id });

  const layout = shown.map((column) => column.id).join(" ") + (isNarrow ? " narrow" : "");
  const activePlace = active ? index.placeOf(active.id) : -1;
  const isActiveInSight = activePlace >= from && activePlace < to;

  const move = (place: number): void => {
    const entry = index.at(place);
    if (!entry) return;
    setActive({ id: entry.id, place });
    virtualizer.scrollToIndex(place, { align: "auto" });
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.target !== event.currentTarget || event.ctrlKey || event.metaKey || event.altKey) return;
    // Where the row is gone, one goes on from where it was.
    const at = activePlace >= 0 ? activePlace : (active?.place ?? -1);
    const page = Math.floor((scroller.current?.clientHeight ?? 0) / rowHeight) - 2;
    const next = moved(event.key, at, index.size, page);
    const entry = index.at(activePlace);
    if (next !== undefined) {
      event.preventDefault();
      move(next);
      const there = index.at(next);
      if (openId !== undefined && there) onOpen?.(there);
    } else if (event.key === "Enter" && entry) {
      event.preventDefault();
      onOpen?.(entry);
    }
  };

  return (
    <div className="frame">
      <div
        ref={scroller}
        className="grid"
        role="grid"
        tabIndex={0}
        aria-label={label}
        aria-rowcount={index.size + 1}
        aria-colcount={shown.length}
        aria-activedescendant={active && isActiveInSight ? `${base}${active.id}` : undefined}
        style={{ "--columns": shown.map((column) => track(column, isNarrow)).join(" "), "--row": `${rowHeight}px`, "--least": `${least(shown, isNarrow)}px` } as CSSProperties}
        onKeyDown={onKeyDown}
      >
        <Head table={table} order={order} onOrder={onOrder} />
        <div className="body" role="rowgroup" style={{ height: index.size * rowHeight }}>
          <div className="sight" role="presentation" style={{ transform: `translateY(${from * rowHeight}px)` }}>
            {table.getRowModel().rows.map((row, place) => (
              // Keys are for the grid as a whole, which has the focus; a row is for the mouse.
              <div
                key={row.id}
                id={`${base}${row.id}`}
                role="row"
                className={rowClass(row.original)}
                aria-rowindex={from + place + 2}
                aria-selected={row.id === openId}
                data-active={row.id === active?.id || undefined}
                onClick={() => {
                  setActive({ id: row.id, place: from + place });
                  onOpen?.(row.original);
                }}
              >
                <Cells row={row} layout={layout} />
              </div>
            ))}
          </div>
        </div>
      </div>
      {index.size === 0 && <div className="nothing">{children}</div>}
    </div>
  );
}

function definition<R>(column: Column<R>, isNarrow: boolean): ColumnDef<Features, Entry<R>> {
  return {
    id: column.id,
    header: column.title,
    meta: { end: column.end ?? false },
    cell: ({ row }) => <Cell key={column.id} column={column} entry={row.original} isNarrow={isNarrow} />,
  };
}

/** A phone has room for the least that a column says something in. */
function leastWidth<R>({ width, grow }: Column<R>, isNarrow: boolean): number {
  if (!isNarrow) return width;
  return grow === undefined ? Math.max(Math.round(width * 0.78), 62) : Math.min(width, 112);
}

function track<R>(column: Column<R>, isNarrow: boolean): string {
  const width = leastWidth(column, isNarrow);
  // Who has two lines to show takes what a phone has left.
  const grow = column.grow ?? (isNarrow && column.below ? 1 : undefined);
  return grow === undefined ? `${width}px` : `minmax(${width}px, ${grow}fr)`;
}

function least<R>(columns: readonly Column<R>[], isNarrow: boolean): number {
  return columns.reduce((sum, column) => sum + leastWidth(column, isNarrow), 0);
}

function rowClass<R>({ before, changedAt }: Entry<R>): string {
  return before === null && isFresh(changedAt) ? "row added" : "row";
}
