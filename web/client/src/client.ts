// A page's client: finds out who is signed in, and has one home with all tabs of that session.

import { Backoff } from "./backoff.ts";
import { hasLocks, hold } from "./locks.ts";
import { alone, inLeader, inWorker, type Guest, type Lodging } from "./lodging.ts";
import { MESSAGES, type Ending, type TabPort } from "./messages.ts";
import { Notices } from "./notices.ts";
import { TabSide } from "./tab.ts";
import type { Client, ClientOptions, Health, Listed, Listener, Row, ViewSpec, Watch } from "./types.ts";
import { Visibility } from "./visibility.ts";
import { Wire } from "./wire.ts";

const SESSION_ENDED = "the session has ended";
const WORKER = "/foretop-worker-v1.js";
const HIDDEN_GRACE_MS = 5_000;
/** Who is signed in is not asked more often than this, however often somebody turns to the tab. */
const LEAST_BETWEEN_ASKS_MS = 2_000;

/** Live lists of the Foretop at `options.base`. Nothing is opened before something is watched. */
export function createClient(options: ClientOptions = {}): Client {
  return new PageClient(options);
}

class PageClient implements Client {
  readonly #options: ClientOptions;
  readonly #base: string;
  readonly #wire: Wire;
  readonly #name: string;
  /** This tab's own, which a held lock and a channel have too. */
  readonly #me = Array.from(crypto.getRandomValues(new Uint32Array(4)), (word) => word.toString(36)).join("");
  readonly #tab: TabSide;
  readonly #visibility: Visibility;
  readonly #notices: Notices | undefined;
  readonly #backoff = new Backoff();
  readonly #healthListeners = new Set<(health: Health) => void>();
  #health: Health = { home: "alone", link: "idle", opened: 0, views: 0 };
  #hasStarted = false;
  #isClosed = false;
  #hasWorker: boolean;
  #lock: Promise<string | null> | undefined;
  /** Whose rows these are. `undefined`: not known; `null`: nobody's. */
  #session: string | null | undefined;
  #lodging: Lodging | undefined;
  /** Counts the homes that were looked for, so that an answer that comes late is not taken. */
  #search = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #askedAt = -Infinity;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#base = (options.base ?? globalThis.location?.origin ?? "").replace(/\/+$/, "");
    this.#wire = new Wire({ ...options, base: this.#base });
    this.#name = `foretop-${MESSAGES}:${this.#base}`;
    this.#hasWorker = this.#isShared && options.worker !== null && typeof SharedWorker !== "undefined";
    this.#tab = new TabSide({
      health: (health) => this.#tellHealth(health),
      ended: (why) => this.#ended(why),
    });
    const page = globalThis.document && { document: globalThis.document, window: globalThis.window };
    this.#visibility = new Visibility(page, options.hiddenGraceMs ?? HIDDEN_GRACE_MS, {
      visible: (isVisible) => this.#tab.visible(isVisible),
      left: () => this.#leave(),
      returned: () => this.#returned(),
      faced: () => this.#faced(),
    });
    // Of no version: whoever signs out does so in tabs of every build that is open.
    if (this.#isShared) this.#notices = new Notices(`foretop:${this.#base}`, ({ session }) => this.#heard(session));
  }

  watch<R extends Row = Row>(spec: ViewSpec, listener: Listener<R>): Watch<R> {
    const watch = this.#tab.watch(spec, listener as unknown as Listener);
    this.#start();
    return watch as unknown as Watch<R>;
  }

  async list<R extends Row = Row>(spec: ViewSpec, signal?: AbortSignal): Promise<Listed<R>> {
    const answer = await this.#wire.list(spec, null, signal);
    // Without an `etag` there is nothing that could be unchanged.
    if (!("rows" in answer)) throw new Error("an answer without rows");
    return { rows: answer.rows as R[], asOf: Date.now() - answer.ageMs, namespaces: answer.namespaces };
  }

  get health(): Health {
    return this.#health;
  }

  onHealth(listener: (health: Health) => void): () => void {
    this.#healthListeners.add(listener);
    return () => this.#healthListeners.delete(listener);
  }

  forget(): void {
    this.#tab.forget();
    this.#notices?.say({ session: null });
    this.#signedOut();
  }

  close(): void {
    this.#isClosed = true;
    this.#leave();
    this.#tab.close();
    this.#visibility.close();
    this.#notices?.close();
    this.#healthListeners.clear();
  }

  /** Whether other tabs can have what this one has: they cannot know its way to ask, nor its token. */
  get #isShared(): boolean {
    return globalThis.document !== undefined && !this.#options.fetch && !this.#options.token;
  }

  #start(): void {
    if (this.#hasStarted) return;
    this.#hasStarted = true;
    void this.#findOut();
  }

  /** Asks who is signed in, and moves in with the others of that session. */
  async #findOut(): Promise<void> {
    clearTimeout(this.#timer);
    const search = (this.#search += 1);
    if (!this.#isShared) return this.#lodge(undefined);
    this.#askedAt = performance.now();
    try {
      this.#lock ??= hasLocks() ? hold(`${this.#name}:tab:${this.#me}`).then(() => `${this.#name}:tab:${this.#me}`) : Promise.resolve(null);
      const [session] = await Promise.all([this.#wire.whoami(), this.#lock]);
      if (search === this.#search) this.#found(session?.tag ?? null);
    } catch (error) {
      if (search === this.#search) this.#tryLater(error instanceof Error ? error.message : String(error));
    }
  }

  #found(session: string | null): void {
    if (this.#isClosed) return;
    const isAnother = session !== this.#session;
    if (isAnother && this.#session !== undefined) this.#tab.blank();
    if (!isAnother && this.#lodging) return;
    this.#leave();
    this.#session = session;
    if (session === null) return this.#signedOut();
    if (isAnother) this.#notices?.say({ session });
    this.#lodge(session);
  }

  #tryLater(message?: string): void {
    if (this.#isClosed) return;
    const wait = this.#backoff.next();
    this.#timer = setTimeout(() => void this.#findOut(), wait);
    this.#tellHealth({ ...this.#health, link: "waiting", message, retryAt: Date.now() + wait });
  }

  #lodge(session: string | undefined): void {
    const home = this.#hasWorker ? "worker" : this.#isShared && hasLocks() ? "leader" : "alone";
    this.#health = { ...this.#health, home };
    const { fetch, token } = this.#options;
    const options = { base: this.#base, session, fetch, token };
    const name = `${this.#name}:${session ?? ""}`;
    const search = this.#search;
    const guest: Guest = {
      moved: (port) => void this.#moved(search, port, session ?? ""),
      failed: () => {
        if (search !== this.#search) return;
        this.#hasWorker = false;
        this.#leave();
        this.#lodge(session);
      },
    };
    if (home === "worker") this.#lodging = inWorker(this.#options.worker ?? WORKER, name, guest);
    else if (home === "leader") this.#lodging = inLeader(name, `${this.#me}.${search}`, options, guest);
    else this.#lodging = alone(options, guest);
  }

  async #moved(search: number, port: TabPort, session: string): Promise<void> {
    const lock = (await this.#lock) ?? null;
    if (search !== this.#search || this.#isClosed) return;
    this.#tab.connect(port, { base: this.#base, session, lock, visible: this.#visibility.isVisible });
  }

  #leave(): void {
    this.#tab.disconnect();
    this.#lodging?.close();
    this.#lodging = undefined;
  }

  /** The home is no more. */
  #ended(why: Ending): void {
    if (why === "forgotten") return this.#signedOut();
    if (why === "signed_out") this.#tab.blank("unauthenticated", SESSION_ENDED);
    else if (why === "session_changed") this.#tab.blank();
    this.#leave();
    this.#session = undefined;
    this.#tryLater(why === "signed_out" ? SESSION_ENDED : undefined);
  }

  /** Nothing is shown, and nothing asked, before somebody turns to the tab or another one learns who is signed in. */
  #signedOut(): void {
    this.#search += 1;
    clearTimeout(this.#timer);
    this.#tab.blank("unauthenticated", "nobody is signed in");
    this.#leave();
    this.#session = null;
    this.#tellHealth({ link: "signed_out", opened: this.#health.opened, views: 0 });
  }

  /** Another tab has learnt who is signed in. */
  #heard(session: string | null): void {
    // Who is just asking hears it anyway.
    if (!this.#hasStarted || session === this.#session || this.#session === undefined) return;
    if (session === null) return this.#signedOut();
    this.#tab.blank();
    void this.#findOut();
  }

  #faced(): void {
    this.#tab.look();
    if (!this.#hasStarted || this.#session !== null || performance.now() - this.#askedAt < LEAST_BETWEEN_ASKS_MS) return;
    void this.#findOut();
  }

  /** Whose rows those are that were here when the tab was put aside is not known any more. */
  #returned(): void {
    if (!this.#hasStarted) return;
    this.#tab.blank();
    this.#leave();
    this.#session = undefined;
    void this.#findOut();
  }

  #tellHealth(health: Omit<Health, "home">): void {
    if (health.link === "open") this.#backoff.reset();
    this.#health = { ...health, home: this.#health.home };
    for (const listener of this.#healthListeners) listener(this.#health);
  }
}
