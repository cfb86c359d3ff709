/** Words that rows must hold to be shown: in the name, a column or a label. */

import { useEffect, type KeyboardEvent, type Ref, type RefObject } from "react";

import { isForField } from "../table/keys.ts";

interface FilterBoxProps {
  readonly ref: RefObject<HTMLInputElement | null>;
  readonly text: string;
  readonly onText: (text: string) => void;
}

export function FilterBox({ ref, text, onText }: FilterBoxProps) {
  useSlash(ref);
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "Escape" && text !== "") {
      event.stopPropagation();
      onText("");
    } else if (event.key === "Escape" || event.key === "Enter" || event.key === "ArrowDown") {
      event.preventDefault();
      event.stopPropagation();
      focusGrid();
    }
  };
  return (
    <div className="box filter" role="search">
      <input
        ref={ref as Ref<HTMLInputElement>}
        type="search"
        aria-label="Filter"
        aria-keyshortcuts="/"
        placeholder="Filter"
        spellCheck={false}
        autoComplete="off"
        autoCapitalize="none"
        value={text}
        onChange={(event) => onText(event.target.value)}
        onKeyDown={onKeyDown}
      />
      <kbd aria-hidden="true">/</kbd>
    </div>
  );
}

/** Gives the table the focus: it is what keys are mostly meant for. */
export function focusGrid(): void {
  document.querySelector<HTMLElement>("[role=grid]")?.focus({ preventScroll: true });
}

/** `/` goes to the box from everywhere, and the keys that move go to the table. */
function useSlash(box: RefObject<HTMLInputElement | null>): void {
  useEffect(() => {
    const onKey = (event: globalThis.KeyboardEvent): void => {
      if (isForField(event)) return;
      if (event.key === "/") {
        event.preventDefault();
        box.current?.select();
        box.current?.focus();
      } else if (["j", "k", "ArrowDown", "ArrowUp"].includes(event.key) && document.activeElement === document.body) {
        event.preventDefault();
        focusGrid();
        // The first of them moves, too.
        document.activeElement.dispatchEvent(new globalThis.KeyboardEvent("keydown", { key: event.key, bubbles: true }));
      }
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [box]);
}
