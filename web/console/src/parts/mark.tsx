/** A state's mark: each has its own shape, so that colour is never all there is. Drawn by the style sheet: tables have hundreds. */

import type { Tone } from "../kinds/column.ts";

export function Mark({ tone }: { readonly tone: Tone }) {
  return <i className={`mark ${tone}`} aria-hidden="true" />;
}
