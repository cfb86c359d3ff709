// Whether anybody looks at this tab.

/** What of a page is needed to know it. */
export interface Page {
  readonly document: Pick<Document, "visibilityState" | "addEventListener" | "removeEventListener">;
  readonly window: Pick<Window, "addEventListener" | "removeEventListener">;
}

/** Who wants to know. */
export interface VisibilityOwner {
  /** Hidden for a while now, or seen again. */
  visible(isVisible: boolean): void;
  /** The tab goes: for good, or to be kept aside by the browser. */
  left(): void;
  /** The tab was kept aside, frozen even, and is there again: it knows nothing of what was meanwhile. */
  returned(): void;
  /** Somebody turned to this tab. */
  faced(): void;
}

type Hearing = [Page["document"] | Page["window"], string, (event: Event) => void];

/** A tab that was hidden a moment only was not hidden. Without a page one is always seen. */
export class Visibility {
  isVisible: boolean;
  readonly #page: Page | undefined;
  readonly #owner: VisibilityOwner;
  readonly #graceMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #heard: Hearing[];

  constructor(page: Page | undefined, graceMs: number, owner: VisibilityOwner) {
    this.#page = page;
    this.#owner = owner;
    this.#graceMs = graceMs;
    this.isVisible = !page || page.document.visibilityState === "visible";
    this.#heard = page ? this.#events(page) : [];
    for (const [target, name, hear] of this.#heard) target.addEventListener(name, hear);
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const [target, name, hear] of this.#heard) target.removeEventListener(name, hear);
  }

  #events({ document, window }: Page): Hearing[] {
    return [
      [document, "visibilitychange", () => this.#looked()],
      // Timers stand still from here on.
      [document, "freeze", () => this.#set(false)],
      [document, "resume", () => this.#owner.returned()],
      [window, "pagehide", () => this.#owner.left()],
      [window, "pageshow", (event) => (event as PageTransitionEvent).persisted && this.#owner.returned()],
      [window, "focus", () => this.#owner.faced()],
    ];
  }

  #looked(): void {
    clearTimeout(this.#timer);
    if (this.#page?.document.visibilityState !== "visible") {
      this.#timer = setTimeout(() => this.#set(false), this.#graceMs);
      return;
    }
    this.#set(true);
    this.#owner.faced();
  }

  #set(isVisible: boolean): void {
    if (isVisible === this.isVisible) return;
    this.isVisible = isVisible;
    this.#owner.visible(isVisible);
  }
}
