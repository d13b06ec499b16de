import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { changeOf, moments } from "./moments.ts";

describe("moments", () => {
  test("are the same for the same seed, and others for another", () => {
    expect(moments(7, 20)).toEqual(moments(7, 20));
    expect(moments(7, 20)).not.toEqual(moments(8, 20));
  });

  test("lie one in each of as many equal parts, whatever the seed", () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 50 }), (seed, count) => {
        const parts = moments(seed, count).map((moment) => Math.floor(moment * count));
        expect(parts).toEqual(Array.from({ length: count }, (_, i) => i));
      }),
    );
  });

  test("stand anywhere within their part", () => {
    const places = Array.from({ length: 200 }, (_, seed) => moments(seed, 1)[0] ?? NaN);
    expect(Math.min(...places)).toBeLessThan(0.1);
    expect(Math.max(...places)).toBeGreaterThan(0.9);
  });
});

test("each round changes something that is not so already", () => {
  const now: Record<string, string> = { cpus: "1", memory: "256MB", replicas: "1" };
  for (let round = 0; round < 30; round++) {
    const { key, value } = changeOf(round);
    expect(now[key]).not.toBe(value);
    now[key] = value;
  }
});
