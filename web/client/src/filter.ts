// Selectors for which the server has no room: all is shown then, and filtered here.

import { selectedBy } from "./selector.ts";
import type { Change, Client, Listed, Listener, Row, State, ViewSpec, Watch } from "./types.ts";

export { selectedBy };

/** As many selectors as the server allows are in use on that kind. */
const TOO_MANY = "too_many_selectors";

/**
 * The same client, whose lists with a label selector are there even where the server takes no further selector (`too_many_selectors`): such a list is
 * then watched without it, and filtered here until it is closed. That costs the bytes of all its rows.
 */
export function filtering(client: Client): Client {
  return {
    watch: <R extends Row>(spec: ViewSpec, listener: Listener<R>) =>
      spec.labelSelector?.trim() ? (new Filtered(client, spec, listener as unknown as Listener) as unknown as Watch<R>) : client.watch(spec, listener),
    list: async <R extends Row>(spec: ViewSpec, signal?: AbortSignal): Promise<Listed<R>> => {
      try {
        return await client.list<R>(spec, signal);
      } catch (error) {
        if ((error as { code?: string }).code !== TOO_MANY) throw error;
        const isSelected = selectedBy(spec.labelSelector ?? "");
        const listed = await client.list<R>(unselected(spec), signal);
        return { ...listed, rows: listed.rows.filter(({ labels }) => isSelected(labels)) };
      }
    },
    get health() {
      return client.health;
    },
    onHealth: (listener) => client.onHealth(listener),
    forget: () => client.forget(),
    close: () => client.close(),
  };
}

const unselected = ({ labelSelector: _, ...spec }: ViewSpec): ViewSpec => spec;

/** A list that the server narrows if it can, and else this. */
class Filtered implements Watch {
  readonly spec: ViewSpec;
  readonly #client: Client;
  readonly #listener: Listener;
  #watch: Watch;
  /** The rows that are selected here; `undefined`: the server selects. */
  #selected: Map<string, Row> | undefined;

  constructor(client: Client, spec: ViewSpec, listener: Listener) {
    this.spec = spec;
    this.#client = client;
    this.#listener = listener;
    this.#watch = client.watch(spec, {
      changed: (change) => listener.changed?.(change),
      state: (state) => {
        if (isTooMany(state)) this.#filterHere();
        listener.state?.(shown(state));
      },
    });
  }

  get rows(): ReadonlyMap<string, Row> {
    return this.#selected ?? this.#watch.rows;
  }

  get state(): State {
    const state = shown(this.#watch.state);
    return this.#selected ? countless(state) : state;
  }

  close(): void {
    this.#watch.close();
  }

  #filterHere(): void {
    const selected = (this.#selected = new Map<string, Row>());
    const isSelected = selectedBy(this.spec.labelSelector ?? "");
    this.#watch.close();
    this.#watch = this.#client.watch(unselected(this.spec), {
      changed: (change) => this.#take(selected, isSelected, change),
      state: (state) => this.#listener.state?.(countless(state)),
    });
  }

  #take(selected: Map<string, Row>, isSelected: (labels: Row["labels"]) => boolean, { put, removed }: Change): void {
    const putHere: Row[] = [];
    // What is selected no longer is no more.
    const removedHere = [...removed, ...put.filter(({ labels }) => !isSelected(labels)).map(({ uid }) => uid)].filter((uid) => selected.delete(uid));
    for (const row of put) {
      if (!isSelected(row.labels)) continue;
      selected.set(row.uid, row);
      putHere.push(row);
    }
    if (putHere.length + removedHere.length > 0) this.#listener.changed?.({ rows: selected, put: putHere, removed: removedHere });
  }
}

const isTooMany = ({ phase, code }: State): boolean => phase === "denied" && code === TOO_MANY;

/** What comes in its place is on its way. */
const shown = (state: State): State => (isTooMany(state) ? { ...state, phase: "connecting", code: undefined, message: undefined } : state);

/** How many rows of all will be selected nobody knows. */
const countless = (state: State): State => ({ ...state, expected: undefined });
