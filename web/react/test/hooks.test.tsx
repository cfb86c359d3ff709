import type { Client, Health, Listener, State, ViewSpec, Watch } from "@foretop/client";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act, StrictMode, type ReactElement } from "react";
import { createRoot, type Root } from "react-dom/client";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ForetopProvider, FreshnessBadge, freshnessText, listKey, listQuery, useResourceList, useStreamHealth } from "../src/index.ts";

(globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;

const row = (name: string) => ({ uid: `uid-${name}`, name, labels: {}, owner: null });
const LIVE: State = { phase: "live", complete: true, asOf: 0, namespaces: null };

/** A client whose watches a test feeds. */
class FakeClient implements Client {
  readonly open = new Map<Listener, ViewSpec>();
  health: Health = { home: "worker", link: "open", opened: 1, views: 1 };
  readonly #onHealth = new Set<(health: Health) => void>();

  watch(spec: ViewSpec, listener: Listener<never>): Watch<never> {
    this.open.set(listener as Listener, spec);
    return { spec, rows: new Map<string, never>(), state: LIVE, close: () => void this.open.delete(listener as Listener) };
  }

  async list(): Promise<never> {
    return { rows: [row("listed")], asOf: 5, namespaces: null } as never;
  }

  onHealth(listener: (health: Health) => void): () => void {
    this.#onHealth.add(listener);
    return () => this.#onHealth.delete(listener);
  }

  is(health: Health): void {
    this.health = health;
    for (const listener of this.#onHealth) listener(health);
  }

  shows(...names: string[]): void {
    const rows = new Map(names.map((name) => [`uid-${name}`, row(name)]));
    for (const listener of this.open.keys()) {
      listener.changed?.({ rows, put: [...rows.values()], removed: [] });
      listener.state?.(LIVE);
    }
  }

  forget(): void {}
  close(): void {}
}

let client: FakeClient;
let queries: QueryClient;
let root: Root;
const element = document.createElement("div");
const spec: ViewSpec = { cluster: "east", kind: "pods" };

beforeEach(() => {
  client = new FakeClient();
  queries = new QueryClient();
  root = createRoot(element);
});

afterEach(() => act(() => root.unmount()));

function render(children: ReactElement): void {
  act(() =>
    root.render(
      <StrictMode>
        <QueryClientProvider client={queries}>
          <ForetopProvider client={client}>{children}</ForetopProvider>
        </QueryClientProvider>
      </StrictMode>,
    ),
  );
}

function Names({ of }: { readonly of: ViewSpec }): ReactElement {
  const { rows, state } = useResourceList(of);
  return (
    <p>
      {rows.map(({ name }) => name).join(",")} <FreshnessBadge state={state} />
    </p>
  );
}

describe("useResourceList", () => {
  it("shows what is streamed", () => {
    render(<Names of={spec} />);
    expect(element.textContent).toBe(" connecting");
    act(() => client.shows("a", "b"));
    expect(element.textContent).toBe("a,b live");
  });

  it("watches once however many components show a list, and no longer than they do", () => {
    render(
      <>
        <Names of={spec} />
        <Names of={{ ...spec, namespaces: [] }} />
      </>,
    );
    expect(client.open.size).toBe(1);
    act(() => client.shows("a"));
    expect(element.textContent).toBe("a livea live");
    render(<></>);
    expect(client.open.size).toBe(0);
  });

  it("goes over to another list when its view changes", () => {
    render(<Names of={spec} />);
    act(() => client.shows("a"));
    render(<Names of={{ ...spec, kind: "services" }} />);
    expect([...client.open.values()].map(({ kind }) => kind)).toEqual(["services"]);
    expect(element.textContent).toBe(" connecting");
  });

  it("has its rows in the cache, under the key that a query of the same list has", async () => {
    render(<Names of={spec} />);
    act(() => client.shows("a"));
    expect(queries.getQueryData(listQuery(client, spec).queryKey)?.rows.map(({ name }) => name)).toEqual(["a"]);
    const other = { ...spec, kind: "nodes" };
    expect((await queries.fetchQuery(listQuery(client, other))).state).toMatchObject({ phase: "polling", asOf: 5 });
  });

  it("leaves nothing in the cache behind", async () => {
    render(<Names of={spec} />);
    act(() => client.shows("a"));
    render(<></>);
    await new Promise((resolve) => setTimeout(resolve));
    expect(queries.getQueryData(listKey(spec))).toBeUndefined();
    render(<Names of={spec} />);
    expect(element.textContent).toBe(" connecting");
  });

  it("has drawn that rows were dropped before the task ends in which it was told", async () => {
    render(<Names of={spec} />);
    act(() => client.shows("a"));
    (globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = false;
    client.shows();
    await Promise.resolve();
    await Promise.resolve();
    expect(element.textContent).toBe(" live");
    (globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;
  });
});

it("useStreamHealth follows the connection", () => {
  const Link = () => <p>{useStreamHealth().link}</p>;
  render(<Link />);
  expect(element.textContent).toBe("open");
  act(() => client.is({ home: "worker", link: "waiting", opened: 1, views: 1 }));
  expect(element.textContent).toBe("waiting");
});

it("the badge tells empty, denied, partial, slow and gone apart", () => {
  const texts = [
    LIVE,
    { ...LIVE, namespaces: ["web"] },
    { ...LIVE, phase: "stale" },
    { ...LIVE, phase: "denied", code: "forbidden" },
    { ...LIVE, phase: "denied", code: "unauthenticated" },
    { ...LIVE, phase: "gone" },
    { ...LIVE, phase: "catching_up", complete: false },
    { ...LIVE, phase: "connecting", complete: false },
    { ...LIVE, phase: "polling" },
  ].map((state) => freshnessText(state as State));
  expect(new Set(texts).size).toBe(texts.length);
});
