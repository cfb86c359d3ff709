// The place where rows are kept and connections held: in a shared worker, in a leader tab, or in a tab alone.

import { steadyClock, type Clock } from "./clock.ts";
import { isReleased } from "./locks.ts";
import { MESSAGES, type Ending, type FromTab, type HomePort } from "./messages.ts";
import { Polling } from "./polling.ts";
import { Showing } from "./showing.ts";
import { Streaming } from "./streaming.ts";
import type { Health } from "./types.ts";
import { View } from "./view.ts";
import { Wire, type WireOptions } from "./wire.ts";

/** A view that nobody shows any more is kept for so long: somebody may come back to the page. */
const LINGER_MS = 10_000;
/** Where streams are of no use they are tried again after so long, then twice as long. */
const STREAMS_AGAIN_MS = 60_000;
const STREAMS_AGAIN_MOST_MS = 960_000;

/** How a home is made. */
export interface HomeOptions extends WireOptions {
  /** Whose rows these are. `undefined`: whoever the first stream says. */
  readonly session?: string | undefined;
}

/** A tab, and what it shows. */
class Tab {
  readonly watches = new Map<number, Showing>();
  isVisible = true;

  constructor(readonly port: HomePort) {}
}

/** Rows are held once however many tabs show them; a view is listened to while one of its tabs is looked at. */
export class Home {
  readonly #clock: Clock;
  readonly #views = new Map<string, View>();
  readonly #lingering = new Map<View, ReturnType<typeof setTimeout>>();
  readonly #tabs = new Set<Tab>();
  readonly #streaming: Streaming;
  readonly #polling: Polling;
  #session: string | undefined;
  #isPolling = false;
  #againMs = STREAMS_AGAIN_MS;
  #againTimer: ReturnType<typeof setTimeout> | undefined;
  #health: Omit<Health, "home" | "opened" | "views"> = { link: "idle" };
  #isOver = false;
  /** The network is back. */
  readonly #hurry = () => this.#streaming.hurry();

  constructor(options: HomeOptions, clock: Clock = steadyClock()) {
    this.#clock = clock;
    this.#session = options.session;
    const wire = new Wire(options);
    const signedOut = () => this.end("signed_out");
    this.#polling = new Polling(wire, { signedOut });
    this.#streaming = new Streaming(
      wire,
      {
        isOurs: (session) => this.#isOurs(session),
        signedOut,
        noStreams: (why) => this.#pollFor(why),
        link: (link, message, waitMs) => this.#linked(link, message, waitMs),
      },
      clock,
    );
    globalThis.addEventListener?.("online", this.#hurry);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** A tab has come, or asks once more whether anybody is here. */
  attach(port: HomePort): void {
    if (![...this.#tabs].some((tab) => tab.port === port)) {
      const tab = new Tab(port);
      port.receive = (message) => this.#hear(tab, message);
      this.#tabs.add(tab);
    }
    // So that it knows that somebody is here.
    port.send({ t: "health", health: this.health });
  }

  get health(): Omit<Health, "home"> {
    return { ...this.#health, opened: this.#streaming.opened, views: this.#views.size };
  }

  /** Drops every row, here and in the tabs. */
  end(why: Ending): void {
    if (this.#isOver) return;
    for (const tab of this.#tabs) tab.port.send({ t: "ended", why });
    this.stop();
  }

  /** Drops every row here, without a word: another home may take this one's place. */
  stop(): void {
    this.#isOver = true;
    globalThis.removeEventListener?.("online", this.#hurry);
    this.#streaming.close();
    this.#polling.close();
    clearTimeout(this.#againTimer);
    for (const view of this.#views.values()) view.close();
    for (const timer of this.#lingering.values()) clearTimeout(timer);
    this.#tabs.clear();
    this.#views.clear();
  }

  #hear(tab: Tab, message: FromTab): void {
    if (this.#isOver) return tab.port.send({ t: "ended", why: "closed" });
    if (message.t === "join") this.#join(tab, message);
    else if (message.t === "watch") this.#watch(tab, message.id, message.key);
    else if (message.t === "close") this.#close(tab, message.id);
    else if (message.t === "forget") this.end("forgotten");
    else if (message.t === "bye") this.#leave(tab);
    else if (message.t === "visible") {
      tab.isVisible = message.visible;
      for (const showing of tab.watches.values()) showing.visible(message.visible);
      this.#want();
    }
  }

  #join(tab: Tab, { v, lock, visible }: Extract<FromTab, { t: "join" }>): void {
    if (v !== MESSAGES) return tab.port.send({ t: "ended", why: "closed" });
    tab.isVisible = visible;
    tab.port.send({ t: "health", health: this.health });
    if (lock !== null) void isReleased(lock).then(() => this.#leave(tab));
  }

  #watch(tab: Tab, id: number, key: string): void {
    const view = this.#views.get(key) ?? new View(key, this.#clock);
    this.#views.set(key, view);
    clearTimeout(this.#lingering.get(view));
    this.#lingering.delete(view);
    tab.watches.get(id)?.close();
    tab.watches.set(id, new Showing(view, tab.port, id, tab.isVisible));
    this.#want();
    this.#tellHealth();
  }

  #close(tab: Tab, id: number): void {
    const showing = tab.watches.get(id);
    if (!showing) return;
    tab.watches.delete(id);
    const { view } = showing;
    showing.close();
    if (view.onlookers.size === 0 && !this.#isOver) this.#lingering.set(view, setTimeout(() => this.#drop(view), LINGER_MS));
    this.#want();
  }

  #drop(view: View): void {
    this.#lingering.delete(view);
    this.#views.delete(view.key);
    view.close();
    this.#want();
    this.#tellHealth();
  }

  #leave(tab: Tab): void {
    for (const id of [...tab.watches.keys()]) this.#close(tab, id);
    this.#tabs.delete(tab);
    tab.port.close();
    this.#want();
  }

  /** What is looked at, or was a moment ago by a tab that may come back. */
  #want(): void {
    const wanted = new Set<View>();
    const isLookedAt = [...this.#tabs].some((tab) => tab.isVisible);
    if (isLookedAt) for (const view of this.#lingering.keys()) wanted.add(view);
    for (const tab of this.#tabs) if (tab.isVisible) for (const { view } of tab.watches.values()) wanted.add(view);
    for (const view of this.#views.values()) if (!wanted.has(view)) view.waits();
    if (this.#isPolling) this.#polling.want(wanted);
    else this.#streaming.want(wanted);
    if (this.#isPolling) this.#linked(wanted.size > 0 ? "polling" : "idle", this.#health.message);
  }

  #isOurs(session: string | undefined): boolean {
    this.#session ??= session;
    if (session === this.#session || session === undefined || this.#session === "") return true;
    this.end("session_changed");
    return false;
  }

  #pollFor(why: string): void {
    this.#isPolling = true;
    this.#health = { link: "polling", message: why };
    this.#againTimer = setTimeout(() => this.#streamAgain(), this.#againMs);
    this.#againMs = Math.min(this.#againMs * 2, STREAMS_AGAIN_MOST_MS);
    this.#want();
  }

  #streamAgain(): void {
    this.#isPolling = false;
    this.#polling.close();
    this.#want();
  }

  #linked(link: Health["link"], message?: string, waitMs?: number): void {
    this.#health = { link, message, ...(waitMs !== undefined && { retryAt: Date.now() + waitMs }) };
    this.#tellHealth();
  }

  #tellHealth(): void {
    const { health } = this;
    for (const tab of this.#tabs) tab.port.send({ t: "health", health });
  }
}
