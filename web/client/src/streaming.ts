// Keeps one stream open for the views that are wanted, whatever befalls it.

import { Backoff } from "./backoff.ts";
import type { Clock } from "./clock.ts";
import { Cuts } from "./cuts.ts";
import { Link, type End } from "./link.ts";
import { Refused, wrongView } from "./refused.ts";
import type { Health } from "./types.ts";
import type { View } from "./view.ts";
import type { Wire } from "./wire.ts";

/** Who wants streams. */
export interface StreamingOwner {
  /** Whose stream it is. `false`: not ours; it is closed. */
  isOurs(session: string | undefined): boolean;
  /** There is no session. */
  signedOut(): void;
  /** Streams are of no use here; `why`, for people. */
  noStreams(why: string): void;
  link(link: Health["link"], message?: string, waitMs?: number): void;
}

/** Views that were denied are asked for again after so long, and half as much more at random; then twice as long, up to the most. */
const DENIED_AGAIN_MS = 5_000;
const DENIED_AGAIN_MOST_MS = 40_000;
const LEAST_AGAIN_MS = 1_000;
/** Codes of what may soon be otherwise. */
const PASSING = new Set(["unavailable", "too_many_views", "too_many_selectors"]);
/** A server without the multiplexed stream, or a proxy that does not let it through. */
const NO_SUCH_ROUTE = new Set([404, 405, 501]);
const SIGNED_OUT = new Set(["auth_expired", "session_revoked"]);

/** One stream after another. */
export class Streaming {
  /** How often a stream was opened. */
  opened = 0;
  readonly #wire: Wire;
  readonly #owner: StreamingOwner;
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  readonly #cuts: Cuts;
  /** When views that were denied are asked for again, by the clock. */
  readonly #deniedUntil = new Map<View, number>();
  /** How long each waits after its next denial. */
  readonly #deniedAgainMs = new Map<View, number>();
  #wanted: ReadonlySet<View> = new Set();
  #link: Link | undefined;
  #isChanging = false;
  #refs = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #deniedTimer: ReturnType<typeof setTimeout> | undefined;
  #notBefore = 0;

  constructor(wire: Wire, owner: StreamingOwner, clock: Clock, random: () => number = Math.random) {
    this.#wire = wire;
    this.#owner = owner;
    this.#clock = clock;
    this.#backoff = new Backoff(random);
    this.#cuts = new Cuts(clock);
  }

  /** From here on these views are wanted, and no others. */
  want(views: ReadonlySet<View>): void {
    this.#wanted = views;
    for (const of of [this.#deniedUntil, this.#deniedAgainMs]) for (const view of of.keys()) if (!views.has(view)) of.delete(view);
    if (views.size === 0) return this.#rest();
    if (this.#link) return this.#reconcile();
    if (this.#timer === undefined) this.#openIn(Math.max(this.#notBefore - this.#clock(), 0));
  }

  /** The network is back: whoever waits need not, save for what the server asked for. */
  hurry(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#openIn(Math.max(this.#notBefore - this.#clock(), 0));
  }

  close(): void {
    this.#link?.close();
    this.#link = undefined;
    this.#isChanging = false;
    clearTimeout(this.#timer);
    clearTimeout(this.#deniedTimer);
    this.#timer = undefined;
  }

  #rest(): void {
    this.close();
    this.#owner.link("idle");
  }

  #openIn(waitMs: number, message?: string): void {
    this.#timer = setTimeout(() => this.#open(), waitMs);
    this.#owner.link("waiting", message, waitMs);
  }

  #open(): void {
    this.#timer = undefined;
    this.opened += 1;
    this.#owner.link("connecting");
    const views = this.#named([...this.#wanted].filter((view) => this.#deniedUntil.get(view) !== Infinity));
    const link: Link = new Link(
      this.#wire,
      views,
      {
        hello: ({ session }) => {
          if (!this.#owner.isOurs(session)) return;
          this.#owner.link("open");
          this.#reconcile();
        },
        denied: (view, code, message) => this.#denied(view, code, message),
        synced: (view) => {
          this.#backoff.reset();
          this.#deniedAgainMs.delete(view);
        },
        ended: (end) => this.#ended(link, end),
      },
      this.#clock,
    );
    this.#link = link;
  }

  #named(views: Iterable<View>): Map<string, View> {
    const named = new Map<string, View>();
    for (const view of views) named.set(`v${(this.#refs += 1)}`, view);
    return named;
  }

  /** Has the stream show what is wanted, one request at a time. */
  #reconcile(): void {
    const link = this.#link;
    if (!link?.hello || this.#isChanging) return;
    const shown = new Set(link.reader.views.values());
    const now = this.#clock();
    const add = this.#named([...this.#wanted].filter((view) => !shown.has(view) && (this.#deniedUntil.get(view) ?? 0) <= now));
    for (const view of add.values()) this.#deniedUntil.delete(view);
    const remove = [...link.reader.views].filter(([, view]) => !this.#wanted.has(view)).map(([ref]) => ref);
    if (add.size + remove.length === 0) return;
    this.#isChanging = true;
    link.change(add, remove).then(
      () => this.#changed(link),
      (error: unknown) => this.#unchanged(link, [...add], error),
    );
  }

  #changed(link: Link): void {
    if (link !== this.#link) return;
    this.#isChanging = false;
    this.#reconcile();
  }

  /** The stream does not show what it was asked for. */
  #unchanged(link: Link, add: [string, View][], error: unknown): void {
    if (link !== this.#link) return;
    this.#isChanging = false;
    if (error instanceof Refused && error.status === 401) return this.#owner.signedOut();
    if (error instanceof Refused && error.status === 400) {
      for (const [ref] of add) link.reader.remove(ref);
      return this.#leaveOut(add.map(([, view]) => view), error) ? this.#reconcile() : undefined;
    }
    // Another replica has it, or nobody any more: all is asked for anew.
    link.close();
    this.#waitAndOpen(error instanceof Refused ? error.retryAfterMs : 0);
  }

  #ended(link: Link, end: End): void {
    if (link !== this.#link) return;
    if (link.retryMs !== undefined) this.#backoff.told(link.retryMs);
    const why = this.#cuts.note(end);
    if (why !== undefined) return this.#giveUp(why);
    if (end.kind === "bye") {
      if (SIGNED_OUT.has(end.reason)) return this.#owner.signedOut();
      this.#backoff.told(end.retryMs);
      return this.#openAfter(end.retryMs, end.retryMs);
    }
    if (end.kind === "refused") return this.#refused([...link.reader.views.values()], end.refused);
    this.#waitAndOpen(0, end.kind === "unreachable" ? end.message : "the connection was lost");
  }

  #refused(views: View[], refused: Refused): void {
    if (refused.status === 401) return this.#owner.signedOut();
    if (NO_SUCH_ROUTE.has(refused.status)) return this.#giveUp("there are no multiplexed streams here");
    if (refused.status === 400 && this.#leaveOut(views, refused)) return this.#openAfter(0, 0);
    this.#waitAndOpen(refused.retryAfterMs, refused.message);
  }

  /** One view is not to be had as it is: the others go on without it. Returns whether it is known which. */
  #leaveOut(views: View[], refused: Refused): boolean {
    const view = views[wrongView(refused) ?? -1];
    if (!view) return false;
    this.#deniedUntil.set(view, Infinity);
    view.denied("denied", "invalid", refused.message);
    return true;
  }

  #giveUp(why: string): void {
    this.close();
    this.#owner.noStreams(why);
  }

  /** With backoff, and not before the server likes it. */
  #waitAndOpen(leastMs: number, message?: string): void {
    const least = Math.max(leastMs, this.#backoff.leastMs);
    this.#openAfter(this.#backoff.next(least), least, message);
  }

  #openAfter(waitMs: number, leastMs: number, message?: string): void {
    this.#link = undefined;
    this.#notBefore = this.#clock() + leastMs;
    this.#isChanging = false;
    for (const view of this.#wanted) view.waits(message);
    this.#openIn(waitMs, message);
  }

  #denied(view: View, code: string, message: string | undefined): void {
    view.denied(code === "gone" ? "gone" : "denied", code, message);
    const againMs = this.#deniedAgainMs.get(view) ?? DENIED_AGAIN_MS;
    this.#deniedAgainMs.set(view, Math.min(2 * againMs, DENIED_AGAIN_MOST_MS));
    this.#deniedUntil.set(view, this.#clock() + (PASSING.has(code) ? this.#backoff.next(LEAST_AGAIN_MS) : againMs * (1 + Math.random() / 2)));
    this.#askAgain();
  }

  #askAgain(): void {
    clearTimeout(this.#deniedTimer);
    const next = Math.min(...this.#deniedUntil.values());
    if (!Number.isFinite(next)) return;
    this.#deniedTimer = setTimeout(() => {
      this.#reconcile();
      this.#askAgain();
    }, Math.max(next - this.#clock(), LEAST_AGAIN_MS));
  }
}
