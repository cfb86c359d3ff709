/** An answer that is asked for again and again while somebody looks. */

import { useEffect, useState } from "react";

import { ask, Refused } from "./ask.ts";

export interface Asked<T> {
  /** The last answer, whatever has become of the question since. */
  readonly answer: T | undefined;
  /** When it came, in milliseconds since the epoch. */
  readonly at: number;
  /** Why there is none, or no newer one. */
  readonly refused: Refused | undefined;
}

const NOTHING: Asked<never> = { answer: undefined, at: 0, refused: undefined };

/** Milliseconds between questions of which the last ones failed, at the most. */
const LONGEST = 30_000;

/** Asks `path` every so many milliseconds; 0: once. `null`: not at all. A page that is hidden does not ask, and asks at once when it is seen again. */
export function useAsked<T>(path: string | null, every: number): Asked<T> {
  const [asked, setAsked] = useState<Asked<T> & { readonly path: string | null }>({ ...NOTHING, path });

  useEffect(() => {
    if (path === null) return undefined;
    const end = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let failures = 0;

    const again = (): void => {
      if (end.signal.aborted || (every === 0 && failures === 0)) return;
      const base = every === 0 ? 2000 : every;
      const wait = Math.min(base * 2 ** failures, Math.max(LONGEST, base));
      timer = setTimeout(question, wait * (failures > 0 ? 0.5 + Math.random() / 2 : 1));
    };
    const question = async (): Promise<void> => {
      timer = undefined;
      if (document.hidden) return;
      try {
        const answer = await ask<T>(path, end.signal);
        failures = 0;
        setAsked({ path, answer, at: Date.now(), refused: undefined });
      } catch (error) {
        if (end.signal.aborted) return;
        failures += 1;
        const refused = error instanceof Refused ? error : new Refused(0, "unreadable", "The answer cannot be read");
        setAsked((last) => ({ path, answer: last.path === path ? last.answer : undefined, at: last.path === path ? last.at : 0, refused }));
      }
      again();
    };
    const seen = (): void => {
      if (!document.hidden && timer === undefined) void question();
    };

    document.addEventListener("visibilitychange", seen);
    void question();
    return () => {
      end.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, [path, every]);

  return asked.path === path ? asked : NOTHING;
}
