/** A state's mark: each has its own shape, so that colour is never all there is. */

import type { Tone } from "../kinds/column.ts";

const SHAPES: Readonly<Record<Tone, string>> = {
  ok: "M5 1.2a3.8 3.8 0 1 1 0 7.6a3.8 3.8 0 1 1 0-7.6Z",
  busy: "M5 1.2a3.8 3.8 0 1 1 0 7.6a3.8 3.8 0 1 1 0-7.6Zm0 1.6v4.4a2.2 2.2 0 1 0 0-4.4Z",
  warn: "M5 .8 9.6 9H.4Z",
  bad: "M5 .3 9.7 5 5 9.7.3 5Z",
  off: "M5 1.2a3.8 3.8 0 1 1 0 7.6a3.8 3.8 0 1 1 0-7.6Zm0 1.5a2.3 2.3 0 1 0 0 4.6a2.3 2.3 0 1 0 0-4.6Z",
};

export function Mark({ tone }: { readonly tone: Tone }) {
  return (
    <svg className={`mark ${tone}`} viewBox="0 0 10 10" width="9" height="9" aria-hidden="true">
      <path d={SHAPES[tone]} fillRule="evenodd" />
    </svg>
  );
}
