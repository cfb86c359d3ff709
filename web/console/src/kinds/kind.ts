/** A page of a kind: where it stands, what it is called, and its columns. */

import type { Column } from "./column.ts";
import type { Row } from "./rows.ts";

/** The groups of the sidebar, in their order. A group without a kind is not shown. */
export const GROUPS = ["Workloads", "Network", "Config and storage", "Access", "Cluster"] as const;

export type Group = (typeof GROUPS)[number];

export interface Kind<R extends Row = Row> {
  /** The word of the routes. */
  readonly name: string;
  /** What Kubernetes calls one of them. */
  readonly object: string;
  /** What people call many of them. */
  readonly title: string;
  /** What people call one of them. */
  readonly one: string;
  readonly group: Group;
  readonly namespaced: boolean;
  readonly columns: readonly Column<R>[];
  /** The column that rows are sorted by at first; with a minus, from the end. Without: by namespace and name. */
  readonly order?: string;
}

const name: Column<Row> = {
  id: "name",
  title: "Name",
  width: 220,
  grow: 3,
  always: true,
  text: (row) => row.name,
};

const nameAndNamespace: Column<Row> = { ...name, below: (row) => row.namespace };

const namespace: Column<Row> = { id: "namespace", title: "Namespace", width: 130, grow: 1, text: (row) => row.namespace ?? "" };

const age: Column<Row> = {
  id: "age",
  title: "Age",
  width: 72,
  end: true,
  always: true,
  text: () => "",
  since: (row) => row.createdAt,
};

/** A kind whose columns stand between its name and its age. */
export function kind<R extends Row>(page: Omit<Kind<R>, "columns">, columns: readonly Column<R>[]): Kind {
  const front: readonly Column<R>[] = page.namespaced ? [nameAndNamespace, namespace] : [name];
  const all = [...front, ...columns, age];
  // A page is given rows of its own kind alone, by the name that it asks for them by.
  return { ...page, columns: all } as unknown as Kind;
}

/** A kind that has its own idea of all of its columns. */
export function kindOf<R extends Row>(page: Kind<R>): Kind {
  return page as unknown as Kind;
}
