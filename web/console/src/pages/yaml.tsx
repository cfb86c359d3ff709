/** An object's YAML, as it was when it was asked for. */

import { useEffect, useState } from "react";

import { askText, Refused } from "../api/ask.ts";
import { Refusal } from "./refusal.tsx";

export function Yaml({ path }: { readonly path: string | null }) {
  const [text, setText] = useState<string>();
  const [refused, setRefused] = useState<Refused>();
  const [asked, setAsked] = useState(0);

  useEffect(() => {
    if (path === null) return undefined;
    const end = new AbortController();
    setRefused(undefined);
    askText(`${path}/yaml`, end.signal).then(setText, (error: unknown) => {
      if (!end.signal.aborted) setRefused(error instanceof Refused ? error : new Refused(0, "unreadable", "It cannot be read"));
    });
    return () => end.abort();
  }, [path, asked]);

  return (
    <>
      {refused && <Refusal refused={refused} />}
      <div className="actions">
        <button type="button" onClick={() => setAsked(asked + 1)}>
          Read it again
        </button>
        {text !== undefined && <Copy text={text} />}
      </div>
      {text !== undefined && (
        <pre className="yaml">
          <code>{text.split("\n").map(line)}</code>
        </pre>
      )}
    </>
  );
}

function Copy({ text }: { readonly text: string }) {
  const [isCopied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    await navigator.clipboard.writeText(text);
    setCopied(true);
  };
  // Only where the browser lets a page write to the clipboard: over TLS, or on this machine.
  if (!navigator.clipboard) return null;
  return (
    <button type="button" onClick={() => void copy()}>
      {isCopied ? "Copied" : "Copy"}
    </button>
  );
}

function line(text: string, place: number) {
  const [, front, key, rest] = /^(\s*(?:- )*)([^\s:#'"][^:#]*:)(?=\s|$)(.*)$/s.exec(text) ?? [];
  return (
    <span key={place}>
      {key === undefined ? (
        text
      ) : (
        <>
          {front}
          <span className="key">{key}</span>
          {rest}
        </>
      )}
      {"\n"}
    </span>
  );
}
