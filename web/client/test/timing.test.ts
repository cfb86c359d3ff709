import { describe, expect, it } from "vitest";
import { Backoff } from "../src/backoff.ts";
import { steadyClock } from "../src/clock.ts";
import { Cuts } from "../src/cuts.ts";
import { Freshness, Lateness } from "../src/freshness.ts";

describe("backoff", () => {
  it("has full jitter below a bound that doubles to 30 s", () => {
    const [most, least] = [new Backoff(() => 1), new Backoff(() => 0)];
    expect(Array.from({ length: 7 }, () => most.next())).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]);
    expect(Array.from({ length: 3 }, () => least.next())).toEqual([0, 0, 0]);
  });

  it("is never faster than the server's retry, nor than a refusal's Retry-After", () => {
    const backoff = new Backoff(() => 0);
    backoff.told(2_700);
    expect([backoff.next(), backoff.next(5_000), backoff.next()]).toEqual([2_700, 5_000, 2_700]);
  });

  it("begins again after it went well", () => {
    const backoff = new Backoff(() => 1);
    backoff.next();
    backoff.next();
    backoff.reset();
    expect(backoff.next()).toBe(1_000);
  });
});

describe("the clock", () => {
  it("goes on while the machine sleeps, and never back", () => {
    let [monotonic, wall] = [0, 1_000_000];
    const clock = steadyClock(() => monotonic, () => wall);
    const seen = [clock()];
    for (const [byMonotonic, byWall] of [[10, 10], [5, 3_600_000], [5, -7_200_000], [5, 5]] as const) {
      monotonic += byMonotonic;
      wall += byWall;
      seen.push(clock());
    }
    expect(seen).toEqual([0, 10, 3_600_010, 3_600_015, 3_600_020]);
  });
});

describe("freshness", () => {
  it("is the age that was told and what passed since", () => {
    let now = 0;
    const freshness = new Freshness(() => now);
    expect(freshness.ageMs).toBe(Infinity);
    freshness.heard(800);
    now = 1_000;
    expect(freshness.ageMs).toBe(1_800);
    freshness.forget();
    expect([freshness.ageMs, freshness.asOf]).toEqual([Infinity, null]);
  });

  it("counts what a proxy has held back, whatever the server's clock says", () => {
    let now = 0;
    const lateness = new Lateness(() => now);
    const server = 9_999_000;
    lateness.of(server);
    now = 40_000;
    expect(lateness.of(server + 40_000)).toBe(0);
    expect(lateness.of(server + 10_000)).toBe(30_000);
    expect(lateness.of(Number.NaN)).toBe(0);
  });
});

describe("how streams end", () => {
  const cut = (silenceMs: number) => ({ kind: "cut", silenceMs }) as const;

  it("says that three cuts after the same silence are a proxy's", () => {
    const cuts = new Cuts(() => 0);
    expect([cuts.note(cut(10_000)), cuts.note(cut(10_300)), cuts.note(cut(9_900))].map(Boolean)).toEqual([false, false, true]);
  });

  it("says nothing of cuts after this and that", () => {
    const cuts = new Cuts(() => 0);
    expect([10_000, 3_000, 14_000, 100, 9_000].map((silence) => Boolean(cuts.note(cut(silence))))).not.toContain(true);
  });

  it("begins anew where a server said goodbye", () => {
    const cuts = new Cuts(() => 0);
    cuts.note(cut(10_000));
    cuts.note(cut(10_000));
    cuts.note({ kind: "bye", reason: "max_age", retryMs: 0 });
    expect(cuts.note(cut(10_000))).toBeUndefined();
  });

  it("takes one stream that never began as buffered, and two that fell silent within minutes", () => {
    let now = 0;
    expect(new Cuts(() => now).note({ kind: "buffered" })).toBeDefined();
    const cuts = new Cuts(() => now);
    expect(cuts.note({ kind: "silent" })).toBeUndefined();
    now = 400_000;
    expect(cuts.note({ kind: "late" })).toBeUndefined();
    now = 450_000;
    expect(cuts.note({ kind: "silent" })).toBeDefined();
  });
});
