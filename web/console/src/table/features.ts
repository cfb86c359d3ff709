/** What is used of TanStack Table: its columns and rows alone. Order and filter are the index's, which sees all rows. */

import { tableFeatures } from "@tanstack/react-table";

/** What a column is beside what the library knows. */
interface Meta {
  /** Numbers stand at the end. */
  readonly end: boolean;
}

export const features = tableFeatures({ columnMeta: {} as Meta });

export type Features = typeof features;
