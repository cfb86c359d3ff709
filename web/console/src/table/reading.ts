/** How the rows of lists are told apart, ordered and searched. */

import { sortKey, type Column } from "../kinds/column.ts";
import type { Kind } from "../kinds/kind.ts";
import type { Row } from "../kinds/rows.ts";
import type { Order, Reading } from "./index.ts";

/** In the page's address: a column's id, with a minus from the end. */
export type OrderText = string;

export function readingOf(kind: Kind): Reading<Row> {
  return {
    id: (row) => row.uid,
    tie: (row) => `${row.namespace ?? ""}\u0000${row.name}`,
    haystack: (row) => haystack(kind.columns, row),
  };
}

/** The order that a text names. What names none: by namespace and name alone. */
export function orderOf<R>(columns: readonly Column<R>[], text: OrderText): Order<R> {
  const { id, descending } = parseOrder(text);
  const column = columns.find((column) => column.id === id);
  return { key: column ? sortKey(column) : () => 0, descending };
}

export function parseOrder(text: OrderText): { readonly id: string; readonly descending: boolean } {
  return text.startsWith("-") ? { id: text.slice(1), descending: true } : { id: text, descending: false };
}

/** A click on a column: from the start, then from the end, then as it was. */
export function nextOrder(text: OrderText, id: string): OrderText {
  if (text === id) return `-${id}`;
  return text === `-${id}` ? "" : id;
}

function haystack(columns: readonly Column<Row>[], row: Row): string {
  const shown = columns.map((column) => column.text(row));
  const labels = Object.entries(row.labels ?? {}).map(([key, value]) => `${key}=${value}`);
  return [row.name, row.namespace ?? "", ...shown, ...labels].join("\u0000").toLowerCase();
}
