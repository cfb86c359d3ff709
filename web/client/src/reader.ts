// What a stream says, applied to the views that it is about.

import { Lateness } from "./freshness.ts";
import type { Clock } from "./clock.ts";
import type { Phase, Row } from "./types.ts";
import type { SseEvent } from "./sse.ts";
import type { View } from "./view.ts";

/** A stream's first event. */
export interface Hello {
  readonly protocol: number;
  readonly stream: string;
  readonly session?: string;
  readonly heartbeatMs: number;
  readonly liveMs: number;
  /** When it was made, by the server's clock. */
  readonly now?: string;
}

/** What a stream says of itself and not of a view's rows. */
export interface Told {
  hello(hello: Hello): void;
  /** A view is not shown, or no longer. */
  denied(view: View, code: string, message: string | undefined): void;
  /** All rows of a view are there. */
  synced(view: View): void;
  bye(reason: string, retryMs: number): void;
}

const PHASES: Readonly<Record<string, Phase>> = { live: "live", catching_up: "catching_up", stale: "stale", gone: "gone" };

/** The views of one stream, by the client's names and by the server's numbers. Several can have one number: they show the same. */
export class Reader {
  readonly #told: Told;
  readonly #lateness: Lateness;
  readonly #byRef = new Map<string, View>();
  readonly #byNumber = new Map<string, Set<string>>();
  #liveMs = 25_000;
  /** How long what was heard last had been on its way, at the most, in milliseconds. */
  lateMs = 0;

  /** Made when the stream is asked for. */
  constructor(told: Told, clock: Clock) {
    this.#told = told;
    this.#lateness = new Lateness(clock);
  }

  get views(): ReadonlyMap<string, View> {
    return this.#byRef;
  }

  add(ref: string, view: View): void {
    this.#byRef.set(ref, view);
  }

  /** What is still said of it is ignored. */
  remove(ref: string): void {
    this.#byRef.delete(ref);
    this.#unnumber(ref);
  }

  /** Throws where the data is no JSON. Events that are not known are ignored. */
  apply({ event, id, data }: SseEvent): void {
    if (id === undefined) return this.#ofStream(event, data);
    const slash = id.indexOf("/");
    const number = slash < 0 ? id : id.slice(0, slash);
    if (event === "view") return this.#view(number, JSON.parse(data) as { ref: string; namespaces: readonly string[] | null });
    const refs = this.#byNumber.get(number);
    if (!refs) return;
    const apply = ROW_EVENTS[event];
    if (!apply && event !== "status") return;
    const said = JSON.parse(data) as Said;
    for (const ref of refs) {
      const view = this.#byRef.get(ref);
      if (!view) continue;
      if (apply) apply(view, said);
      else this.#status(view, said);
      if (slash >= 0) view.position = id.slice(slash + 1);
      if (event === "synced") this.#told.synced(view);
    }
  }

  #ofStream(event: string, data: string): void {
    if (event === "hello") {
      const hello = JSON.parse(data) as Hello;
      this.#liveMs = hello.liveMs;
      if (hello.now !== undefined) this.#lateness.of(Date.parse(hello.now));
      this.#told.hello(hello);
    } else if (event === "denied") {
      const { ref, code, message } = JSON.parse(data) as { ref: string; code: string; message?: string };
      const view = this.#byRef.get(ref);
      if (!view) return;
      this.remove(ref);
      this.#told.denied(view, code, message);
    } else if (event === "bye") {
      const { reason, retryMs } = JSON.parse(data) as { reason: string; retryMs?: number };
      this.#told.bye(reason, retryMs ?? 0);
    }
  }

  /** From here on `ref` is this number, and no other. */
  #view(number: string, { ref, namespaces }: { ref: string; namespaces: readonly string[] | null }): void {
    const view = this.#byRef.get(ref);
    if (!view) return;
    this.#unnumber(ref);
    const refs = this.#byNumber.get(number) ?? new Set();
    this.#byNumber.set(number, refs.add(ref));
    view.scoped(namespaces);
  }

  #status(view: View, { state, asOf, ageMs }: Said): void {
    const phase = PHASES[state ?? ""];
    if (!phase) return;
    if (ageMs === undefined) return view.stands(phase);
    this.lateMs = asOf === undefined ? 0 : this.#lateness.of(Date.parse(asOf) + ageMs);
    view.heard(phase, ageMs + this.lateMs, this.#liveMs);
  }

  #unnumber(ref: string): void {
    for (const [number, refs] of this.#byNumber) if (refs.delete(ref) && refs.size === 0) this.#byNumber.delete(number);
  }
}

/** What the events of a view's rows carry, each some of it. */
interface Said {
  readonly count?: number;
  readonly items?: readonly Row[];
  readonly object?: Row;
  readonly state?: string;
  readonly asOf?: string;
  readonly ageMs?: number;
}

const put = (view: View, { object }: Said) => object && view.put(object);

const ROW_EVENTS: Readonly<Record<string, (view: View, said: Said) => void>> = {
  begin: (view, { count }) => view.begin(count),
  snapshot: (view, { items }) => items?.forEach((row) => view.put(row)),
  synced: (view) => view.synced(),
  added: put,
  modified: put,
  deleted: (view, { object }) => object && view.remove(object.uid),
  // Until the snapshot that follows it the rows stay, but there is no going on from here.
  reset: (view) => (view.position = undefined),
};
