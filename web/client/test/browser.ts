// A browser within the test: tabs that share locks, channels and workers, are hidden, and die without a word.

import { AsyncLocalStorage } from "node:async_hooks";
import { vi } from "vitest";
import type { createClient as CreateClient } from "../src/client.ts";
import type { Client, ClientOptions } from "../src/types.ts";
import type { FakeServer } from "./server.ts";

type Hear = (event: { data: unknown }) => void;

/** Whose code runs. Timers and promises keep it. */
const running = new AsyncLocalStorage<FakeTab>();

class FakeTarget {
  readonly #heard = new Map<string, Set<(event: Event) => void>>();

  addEventListener(name: string, hear: (event: Event) => void): void {
    this.#heard.set(name, (this.#heard.get(name) ?? new Set()).add(hear));
  }

  removeEventListener(name: string, hear: (event: Event) => void): void {
    this.#heard.get(name)?.delete(hear);
  }

  fire(name: string, more: object = {}): void {
    for (const hear of this.#heard.get(name) ?? []) hear({ type: name, ...more } as unknown as Event);
  }
}

export class FakeDocument extends FakeTarget {
  visibilityState: DocumentVisibilityState = "visible";
}

/** One tab, or a shared worker. */
export class FakeTab {
  readonly document = new FakeDocument();
  readonly window = new FakeTarget();
  isAlive = true;
  client!: Client;

  hide(): void {
    this.document.visibilityState = "hidden";
    running.run(this, () => this.document.fire("visibilitychange"));
  }

  show(): void {
    this.document.visibilityState = "visible";
    running.run(this, () => this.document.fire("visibilitychange"));
  }

  run<T>(work: () => T): T {
    return running.run(this, work);
  }
}

interface Request {
  owner: FakeTab | undefined;
  run: () => void;
}

/** Web Locks, exclusive ones. */
class FakeLocks {
  readonly #queues = new Map<string, Request[]>();
  readonly #held = new Map<string, FakeTab | undefined>();

  request(name: string, ...rest: [object, () => unknown] | [() => unknown]): Promise<unknown> {
    const [options, callback] = rest.length === 2 ? rest : [{}, rest[0]];
    const { signal } = options as { signal?: AbortSignal };
    return new Promise((resolve, reject) => {
      const owner = running.getStore();
      const queue = this.#queues.get(name) ?? [];
      this.#queues.set(name, queue);
      const request: Request = {
        owner,
        run: () => {
          this.#held.set(name, owner);
          void Promise.resolve(running.run(owner as FakeTab, callback)).then((result) => {
            if (this.#held.get(name) === owner) this.#held.delete(name);
            this.#next(name);
            resolve(result);
          });
        },
      };
      queue.push(request);
      signal?.addEventListener("abort", () => {
        if (!queue.includes(request)) return;
        queue.splice(queue.indexOf(request), 1);
        reject(signal.reason);
      });
      this.#next(name);
    });
  }

  /** All that a tab held or waited for is let go. */
  die(tab: FakeTab): void {
    for (const queue of this.#queues.values()) queue.splice(0, queue.length, ...queue.filter(({ owner }) => owner !== tab));
    for (const [name, owner] of this.#held) {
      if (owner !== tab) continue;
      this.#held.delete(name);
      this.#next(name);
    }
  }

  #next(name: string): void {
    if (!this.#held.has(name)) this.#queues.get(name)?.shift()?.run();
  }
}

/** Both a `BroadcastChannel` and the ports of a `MessageChannel`. */
class FakeChannel {
  onmessage: Hear | null = null;
  readonly owner = running.getStore();
  #isOpen = true;
  readonly #others: () => Iterable<FakeChannel>;
  readonly #delayMs: () => number;
  /** When the last message of this channel arrives: none overtakes another, save on another channel. */
  #lastAt = 0;

  constructor(others: () => Iterable<FakeChannel>, delayMs: () => number = () => 0) {
    this.#others = others;
    this.#delayMs = delayMs;
  }

  postMessage(data: unknown): void {
    if (!this.#isOpen) throw new DOMException("closed", "InvalidStateError");
    if (this.owner && !this.owner.isAlive) return;
    for (const other of this.#others()) {
      if (other === this) continue;
      const copy = structuredClone(data);
      this.#pass(() => other.#isOpen && other.owner?.isAlive !== false && running.run(other.owner as FakeTab, () => other.onmessage?.({ data: copy })));
    }
  }

  #pass(arrive: () => void): void {
    const delayMs = this.#delayMs();
    if (delayMs === 0) return queueMicrotask(arrive);
    this.#lastAt = Math.max(this.#lastAt, Date.now() + delayMs);
    setTimeout(arrive, this.#lastAt - Date.now());
  }

  close(): void {
    this.#isOpen = false;
  }
}

/** What a browser of these tabs has. */
export class FakeBrowser {
  readonly tabs: FakeTab[] = [];
  readonly locks = new FakeLocks();
  /** The names of the workers that were started. */
  readonly workers = new Map<string, Promise<Connect>>();
  /** Whether the worker's file is there. */
  hasWorkerFile = true;
  /** How long a message to other tabs takes. */
  delayMs = () => 0;
  readonly #server: FakeServer;
  readonly #channels = new Map<string, Set<FakeChannel>>();
  readonly #createClient: typeof CreateClient;

  constructor(server: FakeServer, createClient: typeof CreateClient, { hasWorkers = true, hasLocks = true } = {}) {
    this.#server = server;
    this.#createClient = createClient;
    const browser = this;
    const ask: typeof fetch = (input, init) => {
      const owner = running.getStore();
      return owner?.isAlive === false ? new Promise(() => {}) : server.fetch(input as string, init, owner);
    };
    vi.stubGlobal("fetch", ask);
    vi.stubGlobal("navigator", hasLocks ? { locks: this.locks } : {});
    vi.stubGlobal("location", { origin: "http://foretop.test" });
    vi.stubGlobal("requestAnimationFrame", (run: () => void) => setTimeout(run, 16));
    vi.stubGlobal(
      "BroadcastChannel",
      class extends FakeChannel {
        constructor(name: string) {
          const all = browser.#channels.get(name) ?? new Set();
          browser.#channels.set(name, all);
          super(() => all, () => browser.delayMs());
          all.add(this);
        }
      },
    );
    vi.stubGlobal("SharedWorker", hasWorkers ? browser.#sharedWorker() : undefined);
    keepOwners();
  }

  open(options: ClientOptions = {}): FakeTab {
    const tab = new FakeTab();
    this.tabs.push(tab);
    vi.stubGlobal("document", tab.document);
    vi.stubGlobal("window", tab.window);
    tab.client = tab.run(() => this.#createClient(options));
    return tab;
  }

  /** Without a word. */
  kill(tab: FakeTab): void {
    tab.isAlive = false;
    this.#server.die(tab);
    this.locks.die(tab);
  }

  #sharedWorker(): unknown {
    const browser = this;
    return class {
      onerror: (() => void) | null = null;
      readonly port: FakeChannel;

      constructor(_url: string, { name }: { name: string }) {
        const ends: FakeChannel[] = [];
        this.port = new FakeChannel(() => ends);
        if (!browser.hasWorkerFile) {
          queueMicrotask(() => this.onerror?.());
          return;
        }
        const worker = browser.workers.get(name) ?? startWorker();
        browser.workers.set(name, worker);
        // What is sent before the worker runs waits in the port.
        const early: unknown[] = [];
        this.port.postMessage = (data) => void early.push(structuredClone(data));
        void worker.then((connect) => {
          connect((theirs) => ends.push(this.port, theirs), () => ends);
          delete (this.port as { postMessage?: unknown }).postMessage;
          for (const data of early) this.port.postMessage(data);
        });
      }
    };
  }
}

/** Gives a worker its end of a channel. */
type Connect = (made: (port: FakeChannel) => void, others: () => Iterable<FakeChannel>) => void;

/** Runs the worker's file as in a context of its own. */
async function startWorker(): Promise<Connect> {
  const tab = new FakeTab();
  return running.run(tab, async () => {
    vi.resetModules();
    await import("../src/worker.ts");
    const { onconnect } = globalThis as unknown as { onconnect: (event: object) => void };
    return (made, others) =>
      running.run(tab, () => {
        const port = new FakeChannel(others);
        made(port);
        onconnect({ ports: [port] });
      });
  });
}

/** Fake timers forget who set them. */
function keepOwners(): void {
  for (const name of ["setTimeout", "setInterval"] as const) {
    const set = globalThis[name] as unknown as (run: () => void, ms: number) => unknown;
    vi.stubGlobal(name, (run: () => void, ms: number) => {
      const owner = running.getStore();
      return set(() => owner?.isAlive !== false && running.run(owner as FakeTab, run), ms);
    });
  }
}
