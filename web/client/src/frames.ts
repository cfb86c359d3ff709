// Calls back at most once per frame, where there are frames.

/** Without frames, as in Node and in hidden tabs, in milliseconds. */
const WITHOUT_FRAMES_MS = 50;

/** What is asked for any number of times is done once, soon. */
export class Frames {
  readonly #work: () => void;
  #isAsked = false;

  constructor(work: () => void) {
    this.#work = work;
  }

  ask(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    const run = () => {
      this.#isAsked = false;
      this.#work();
    };
    if (globalThis.document?.visibilityState === "visible") requestAnimationFrame(run);
    else setTimeout(run, WITHOUT_FRAMES_MS);
  }
}
