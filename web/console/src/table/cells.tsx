/** The cells of a row. They are drawn again only where the row is another one. */

import { FlexRender, type Row as TableRow } from "@tanstack/react-table";
import { memo, type ReactNode } from "react";

import type { Column } from "../kinds/column.ts";
import { Age } from "../parts/age.tsx";
import { Link } from "../parts/link.tsx";
import { Mark } from "../parts/mark.tsx";
import type { Features } from "./features.ts";
import type { Entry } from "./index.ts";

/** For how long a change is shown, in milliseconds. */
const FLASH = 1200;

interface CellsProps<R> {
  readonly row: TableRow<Features, Entry<R>>;
  /** Which columns there are: another text, other columns. */
  readonly layout: string;
}

function CellsOf<R>({ row }: CellsProps<R>): ReactNode {
  return row.getAllCells().map((cell) => <FlexRender key={cell.id} cell={cell} />);
}

/** `memo` forgets that it is generic. */
export const Cells = memo(CellsOf, isSame) as <R>(props: CellsProps<R>) => ReactNode;

function isSame<R>(a: CellsProps<R>, b: CellsProps<R>): boolean {
  return a.row.original === b.row.original && a.layout === b.layout;
}

interface CellProps<R> {
  readonly column: Column<R>;
  readonly entry: Entry<R>;
  /** A phone's: with the line below. */
  readonly isNarrow: boolean;
}

export function Cell<R>({ column, entry, isNarrow }: CellProps<R>) {
  const { row } = entry;
  const text = column.text(row);
  const tone = column.tone?.(row);
  const link = column.link?.(row);
  const below = isNarrow ? column.below?.(row) : undefined;
  const hasChanged = isChanged(column, entry);
  // By another key the cell is another one, so that the flash of a change that follows at once begins anew.
  return (
    <div
      key={hasChanged ? `${column.id} ${entry.changedAt}` : column.id}
      role="gridcell"
      className={`cell${column.end ? " end" : ""}${below === undefined ? "" : " two"}${hasChanged ? " changed" : ""}`}
      title={text.length > 12 ? text : undefined}
    >
      {tone && <Mark tone={tone} />}
      {column.since ? <Age since={column.since(row)} /> : link === undefined ? text : <Link to={link}>{text}</Link>}
      {below !== undefined && <span className="below">{below}</span>}
    </div>
  );
}

function isChanged<R>({ text, since }: Column<R>, { row, before, changedAt }: Entry<R>): boolean {
  if (before === null || !isFresh(changedAt)) return false;
  return text(before) !== text(row) || since?.(before) !== since?.(row);
}

/** Whether a change is shown: not one from before a row came into sight. */
export function isFresh(changedAt: number): boolean {
  return changedAt > 0 && performance.now() - changedAt < FLASH;
}
