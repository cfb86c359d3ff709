/** A label selector, by which the server narrows the list. It is asked for with Enter, or when one leaves the box. */

import { useEffect, useId, useState, type FormEvent } from "react";

import { mistakeIn } from "../selector/grammar.ts";

interface SelectorBoxProps {
  readonly selector: string;
  readonly onSelector: (selector: string) => void;
}

export function SelectorBox({ selector, onSelector }: SelectorBoxProps) {
  const [text, setText] = useState(selector);
  const [isAsked, setAsked] = useState(false);
  const id = useId();
  useEffect(() => setText(selector), [selector]);

  const mistake = isAsked ? mistakeIn(text) : null;
  const askFor = (): void => {
    setAsked(true);
    if (mistakeIn(text) === null && text.trim() !== selector) onSelector(text.trim());
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    askFor();
  };
  return (
    <form className="box selector" onSubmit={submit}>
      <input
        type="text"
        aria-label="Label selector"
        placeholder="Labels: app=web"
        spellCheck={false}
        autoComplete="off"
        autoCapitalize="none"
        value={text}
        aria-invalid={mistake !== null}
        aria-describedby={mistake === null ? undefined : id}
        onChange={(event) => {
          setText(event.target.value);
          setAsked(false);
        }}
        onBlur={askFor}
      />
      {mistake !== null && (
        <p className="mistake" id={id} role="alert">
          {mistake}
        </p>
      )}
    </form>
  );
}
