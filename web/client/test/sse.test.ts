import { describe, expect, it } from "vitest";
import { SseParser, type SseEvent } from "../src/sse.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const parse = (text: string) => new SseParser().push(bytes(text));

/** Numbers that look random, and are the same each time. */
function randoms(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

describe("the parser of Server-Sent Events", () => {
  it("reads an event with its name, id and data", () => {
    expect(parse("event: added\nid: 12/5\ndata: {}\n\n")).toEqual([{ event: "added", id: "12/5", data: "{}" }]);
  });

  it("gives an id to its own event alone", () => {
    expect(parse("id: 1\ndata: a\n\ndata: b\n\n").map(({ id }) => id)).toEqual(["1", undefined]);
  });

  it("joins lines of data, and drops events without any", () => {
    expect(parse("data: a\ndata:b\n\nevent: nothing\n\n")).toEqual([{ event: "message", id: undefined, data: "a\nb" }]);
  });

  it("knows all ends of lines, comments, a byte order mark, and fields without a colon", () => {
    expect(parse("\uFEFFdata: a\r\n\r\n:a comment\rdata\r\rdata: c\n\n").map(({ data }) => data)).toEqual(["a", "", "c"]);
  });

  it("takes `retry` where it is a number", () => {
    const parser = new SseParser();
    parser.push(bytes("retry: 2500\nretry: soon\n\n"));
    expect(parser.retryMs).toBe(2500);
  });

  it("does not take a line without an end for ever", () => {
    const parser = new SseParser();
    const piece = new Uint8Array(8 * 1024 * 1024).fill(97);
    expect(() => {
      for (let count = 0; count < 5; count += 1) parser.push(piece);
    }).toThrow("does not end");
  });

  it("reads the same however the bytes are cut", () => {
    const random = randoms(7);
    const ends = ["\n", "\r\n", "\r"];
    const words = ["", "a", "ü", "日本", "🦀", "a: b", " x", "{\"a\":1}"];
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;
    for (let round = 0; round < 300; round += 1) {
      const events: SseEvent[] = [];
      let text = "";
      // One sort of line end: between a lone CR and an LF there is no telling them from one CRLF.
      const end = pick(ends);
      for (let count = 0; count < 5; count += 1) {
        const lines = [pick(words), pick(words)];
        const id = random() < 0.5 ? `${count}/7` : undefined;
        const event = random() < 0.5 ? "modified" : "message";
        if (random() < 0.3) text += `: ping${end}`;
        if (event !== "message") text += `event: ${event}${end}`;
        if (id !== undefined) text += `id: ${id}${end}`;
        text += lines.map((line) => `data: ${line}${end}`).join("") + end;
        events.push({ event, id, data: lines.join("\n") });
      }
      const whole = bytes(text);
      const parser = new SseParser();
      const read: SseEvent[] = [];
      for (let from = 0; from < whole.length; ) {
        const to = from + Math.floor(random() * 7);
        read.push(...parser.push(whole.slice(from, to)));
        from = to;
      }
      expect(read).toEqual(events);
    }
  });

  it("takes any bytes without falling over", () => {
    const random = randoms(11);
    const parser = new SseParser();
    for (let round = 0; round < 2_000; round += 1) {
      parser.push(Uint8Array.from({ length: Math.floor(random() * 40) }, () => (random() < 0.2 ? 10 : Math.floor(random() * 256))));
    }
  });
});
