/** The titles of a table's columns, by which it is sorted. */

import type { RowData, Table } from "@tanstack/react-table";

import type { Features } from "./features.ts";
import { nextOrder, parseOrder, type OrderText } from "./reading.ts";

interface HeadProps<T extends RowData> {
  readonly table: Pick<Table<Features, T>, "getFlatHeaders">;
  readonly order: OrderText;
  readonly onOrder: (order: OrderText) => void;
}

export function Head<T extends RowData>({ table, order, onOrder }: HeadProps<T>) {
  const sorted = parseOrder(order);
  return (
    <div className="head" role="rowgroup">
      <div className="row" role="row" aria-rowindex={1}>
        {table.getFlatHeaders().map(({ id, column }) => (
          <div
            key={id}
            role="columnheader"
            className={column.columnDef.meta?.end ? "cell end" : "cell"}
            aria-sort={sorted.id !== id ? "none" : sorted.descending ? "descending" : "ascending"}
          >
            <button type="button" className="sort" onClick={() => onOrder(nextOrder(order, id))}>
              {String(column.columnDef.header)}
              <svg viewBox="0 0 8 8" width="8" height="8" aria-hidden="true">
                <path d="M4 1.5 7 6H1Z" />
              </svg>
            </button>
          </div>
        ))}
      </div>
    </div>
  );
}
