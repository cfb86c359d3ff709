// Whether streams are to be had here at all, judged by how they ended.

import type { Clock } from "./clock.ts";
import type { End } from "./link.ts";

/** So many streams that ended after the same silence were cut by something that does not like silence. */
const SAME_CUTS = 3;
/** Silences that differ by less are the same. */
const SAME_MS = 1_500;
/** A shorter silence is none: a busy stream broke off, by whatever it was. */
const LEAST_SILENCE_MS = 2_000;
/** So many streams whose words were held back, within so long, were buffered. */
const HELD_BACK = 2;
const HELD_BACK_WITHIN_MS = 300_000;

/** How the last streams ended. */
export class Cuts {
  readonly #clock: Clock;
  #silences: number[] = [];
  #heldBackAt: number[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes note of an end. Returns why streams are of no use here, if they are not. */
  note(end: End): string | undefined {
    if (end.kind === "buffered") return "a proxy holds the stream back";
    if (end.kind === "silent" || end.kind === "late") return this.#heldBack();
    if (end.kind === "cut" && end.silenceMs >= LEAST_SILENCE_MS) return this.#cut(end.silenceMs);
    // A network that is away says nothing of proxies.
    if (end.kind !== "unreachable") this.#silences = [];
    return undefined;
  }

  #heldBack(): string | undefined {
    const now = this.#clock();
    this.#heldBackAt = [...this.#heldBackAt.filter((at) => now - at < HELD_BACK_WITHIN_MS), now];
    return this.#heldBackAt.length >= HELD_BACK ? "a proxy holds back what the stream says" : undefined;
  }

  #cut(silenceMs: number): string | undefined {
    this.#silences = [...this.#silences, silenceMs].slice(-SAME_CUTS);
    const areSame = Math.max(...this.#silences) - Math.min(...this.#silences) < SAME_MS;
    return this.#silences.length === SAME_CUTS && areSame ? "a proxy cuts streams that are silent for a while" : undefined;
  }
}
