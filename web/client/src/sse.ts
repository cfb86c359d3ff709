// Server-Sent Events out of bytes, as the HTML standard has it, save that an `id` is that of its own event alone.

/** One event. `id` is what its own block said, if anything. */
export interface SseEvent {
  readonly event: string;
  readonly id: string | undefined;
  readonly data: string;
}

/** More characters than that on one line are no event of Foretop's. */
const LONGEST_LINE = 32 * 1024 * 1024;

/** Takes bytes in pieces of any length. Throws where a line does not end. */
export class SseParser {
  /** The last `retry:`, in milliseconds. */
  retryMs: number | undefined;

  readonly #decoder = new TextDecoder();
  /** The beginning of a line whose end is to come. */
  #begun = "";
  /** What came last ended with a carriage return: a line feed that follows belongs to it. */
  #afterReturn = false;
  #event = "";
  #id: string | undefined;
  #data: string[] = [];

  /** The events that end within these bytes. */
  push(bytes: Uint8Array): SseEvent[] {
    const text = this.#decoder.decode(bytes, { stream: true });
    const events: SseEvent[] = [];
    if (text === "") return events;
    const lineEnd = /\r\n|\r|\n/g;
    let from = this.#afterReturn && text.startsWith("\n") ? 1 : 0;
    lineEnd.lastIndex = from;
    for (let end = lineEnd.exec(text); end; end = lineEnd.exec(text)) {
      const event = this.#line(this.#begun + text.slice(from, end.index));
      if (event) events.push(event);
      this.#begun = "";
      from = lineEnd.lastIndex;
    }
    this.#afterReturn = text.endsWith("\r");
    this.#begun += text.slice(from);
    if (this.#begun.length > LONGEST_LINE) throw new Error("a line of the stream does not end");
    return events;
  }

  #line(line: string): SseEvent | undefined {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return undefined;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#event = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    else if (field === "retry" && /^\d+$/.test(value)) this.retryMs = Number(value);
    return undefined;
  }

  #dispatch(): SseEvent | undefined {
    const said = { event: this.#event || "message", id: this.#id, data: this.#data.join("\n") };
    const isWhole = this.#data.length > 0;
    this.#event = "";
    this.#id = undefined;
    this.#data = [];
    return isWhole ? said : undefined;
  }
}
