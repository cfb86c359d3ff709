// A page with live lists, which a test looks into.

import { createClient, type Phase, type Row, type ViewSpec, type Watch } from "@foretop/client";

/** What the page says about one list, as a test reads it. */
interface Claim {
  readonly phase: Phase;
  readonly complete: boolean;
  readonly asOf: number | null;
  readonly code: string | undefined;
  readonly rows: number;
}

/** What somebody saw from one frame on. */
interface Frame {
  readonly rows: number;
  /** Whether a list showed rows and said that nobody is signed in. */
  readonly showsWhatIsOver: boolean;
}

const client = createClient();
const watches: Watch[] = [];
/** Since when, by the page's clock in milliseconds, each list has first been whole. */
const wholeAt: number[] = [];
/** Each frame that showed something else than the one before, since the page began or came back. */
let frames: Frame[] = [];

const lists = {
  client,
  open(specs: readonly ViewSpec[]): void {
    for (const spec of specs) {
      const index = watches.length;
      watches.push(
        client.watch(spec, {
          state: ({ complete }) => {
            if (complete) wholeAt[index] ??= performance.now();
          },
        }),
      );
    }
  },
  claims: (): Claim[] =>
    watches.map(({ state: { phase, complete, asOf, code }, rows }) => ({ phase, complete, asOf, code, rows: rows.size })),
  rows: (): Row[][] => watches.map(({ rows }) => [...rows.values()]),
  frames: (): Frame[] => frames,
  /** When the last list became whole, since the page began to load. */
  wholeAfterMs: (): number | null => (wholeAt.filter(() => true).length === watches.length ? Math.max(...wholeAt) : null),
};

function draw(): void {
  const claims = lists.claims();
  const frame = {
    rows: claims.reduce((sum, { rows }) => sum + rows, 0),
    showsWhatIsOver: claims.some(({ rows, code }) => rows > 0 && code === "unauthenticated"),
  };
  const last = frames.at(-1);
  if (last?.rows !== frame.rows || last.showsWhatIsOver !== frame.showsWhatIsOver) frames.push(frame);
  requestAnimationFrame(draw);
}

const back = () => (frames = []);
document.addEventListener("resume", back);
window.addEventListener("pageshow", back);

declare global {
  interface Window {
    lists: typeof lists;
  }
}
window.lists = lists;
const asked = new URLSearchParams(location.search).get("lists");
if (asked) lists.open(JSON.parse(asked) as ViewSpec[]);
requestAnimationFrame(draw);
