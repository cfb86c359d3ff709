/** Which namespaces a list shows: out of those that the caller may see. */

import { useEffect, useId, useMemo, useRef, useState, type FocusEvent, type KeyboardEvent } from "react";

import { adjust } from "../app/address.ts";
import { inCluster } from "../api/ask.ts";
import { useAsked } from "../api/use-asked.ts";

interface NamespacePickerProps {
  readonly cluster: string;
  /** None: all. */
  readonly chosen: readonly string[];
  /** Where not all of the cluster is shown: what is. */
  readonly partial: readonly string[] | null;
}

/** So many are named before they are counted. */
const NAMED = 2;

export function NamespacePicker({ cluster, chosen, partial }: NamespacePickerProps) {
  const [isOpen, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();

  const close = (): void => {
    setOpen(false);
    button.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== "Escape" || !isOpen) return;
    event.stopPropagation();
    close();
  };
  const onBlur = (event: FocusEvent): void => {
    if (!root.current?.contains(event.relatedTarget)) setOpen(false);
  };
  return (
    <div className="picker" ref={root} onKeyDown={onKeyDown} onBlur={onBlur}>
      <button
        ref={button}
        type="button"
        aria-haspopup="dialog"
        aria-expanded={isOpen}
        aria-controls={isOpen ? id : undefined}
        onClick={() => setOpen(!isOpen)}
      >
        {summary(chosen)}
        <svg viewBox="0 0 8 8" width="8" height="8" aria-hidden="true">
          <path d="M4 6.5 1 2h6Z" />
        </svg>
      </button>
      {isOpen && <Choices id={id} cluster={cluster} chosen={chosen} partial={partial} />}
    </div>
  );
}

function summary(chosen: readonly string[]): string {
  if (chosen.length === 0) return "All namespaces";
  return chosen.length <= NAMED ? chosen.join(", ") : `${chosen.length} namespaces`;
}

function Choices({ id, cluster, chosen, partial }: NamespacePickerProps & { readonly id: string }) {
  const { answer, refused } = useAsked<{ namespaces: readonly { name: string }[] }>(inCluster(cluster, "namespaces"), 10_000);
  const [text, setText] = useState("");
  const first = useRef<HTMLInputElement>(null);
  // What was chosen when the list was opened stands first, and stays there while one chooses.
  const [front] = useState(chosen);
  useEffect(() => first.current?.focus(), []);

  const names = useMemo(() => {
    const known = answer?.namespaces.map(({ name }) => name) ?? partial ?? [];
    return [...new Set([...front, ...known])];
  }, [answer, partial, front]);
  const matching = names.filter((name) => name.includes(text.toLowerCase().trim()));
  const choose = (next: readonly string[]): void => adjust({ namespace: next, open: null });
  const toggle = (name: string): void => choose(chosen.includes(name) ? chosen.filter((one) => one !== name) : [...chosen, name]);

  return (
    <div className="choices" id={id} role="dialog" aria-label="Namespaces">
      <input ref={first} type="search" aria-label="Find a namespace" placeholder="Find" value={text} onChange={(event) => setText(event.target.value)} />
      <div className="list">
        {text === "" && (
          <label>
            <input type="checkbox" checked={chosen.length === 0} onChange={() => choose([])} />
            All namespaces
          </label>
        )}
        {matching.map((name) => (
          <label key={name}>
            <input type="checkbox" checked={chosen.includes(name)} onChange={() => toggle(name)} />
            {name}
          </label>
        ))}
        {matching.length === 0 && <p className="fine">{text === "" ? "None yet" : `None is called "${text}"`}</p>}
      </div>
      {refused?.status === 403 && <p className="fine">You may not list namespaces; these are the ones that you see rows of.</p>}
    </div>
  );
}
