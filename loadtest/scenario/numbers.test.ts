import fc from "fast-check";
import { expect, test } from "vitest";
import { between, meant, rangeOf, real, whole } from "./numbers.ts";

const finite = fc.double({ noNaN: true, noDefaultInfinity: true });
const share = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

test("a number of a range is finite and within it, whatever finite ends it has", () => {
  fc.assert(
    fc.property(finite, finite, share, (a, b, at) => {
      const [low, high] = [Math.min(a, b), Math.max(a, b)];
      for (const value of [real([low, high], at), between(a, b, at)]) {
        expect(value).toBeGreaterThanOrEqual(low);
        expect(value).toBeLessThanOrEqual(high);
        expect(JSON.stringify(value)).not.toBe("null");
      }
      const integer = whole([low, high], at);
      expect(Number.isInteger(integer)).toBe(true);
      if (Math.floor(high) >= Math.ceil(low)) {
        expect(integer).toBeGreaterThanOrEqual(low);
        expect(integer).toBeLessThanOrEqual(high);
      }
    }),
    { numRuns: 2000 },
  );
});

test("a range has both ends, in order, and keeps those that a schema means", () => {
  const bound = fc.option(finite, { nil: undefined });
  fc.assert(
    fc.property(bound, bound, (least, most) => {
      fc.pre(least === undefined || most === undefined || least <= most);
      const [low, high] = rangeOf({ least, most }, 1);
      expect(Number.isFinite(low) && Number.isFinite(high)).toBe(true);
      expect(low).toBeLessThanOrEqual(high);
      const kept = meant({ least, most });
      if (kept.least !== undefined) expect(low).toBe(kept.least);
      if (kept.most !== undefined) expect(high).toBe(kept.most);
    }),
    { numRuns: 2000 },
  );
});

test.each([
  [-Number.MAX_VALUE, Number.MAX_VALUE],
  [-3.4028234663852886e38, 3.4028234663852886e38],
  [-3.4e38, 3.4e38],
  [-65_504, 65_504],
  [-128, 127],
  [0, 255],
  [0, 65_535],
  [-2_147_483_648, 2_147_483_647],
  [0, 4_294_967_295],
  [-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  [-(2 ** 63), 2 ** 63],
  [0, 2 ** 64],
])("%d to %d is what a type holds, not what a model takes", (least, most) => {
  expect(rangeOf({ least, most }, 1)).toEqual([0, 1]);
});

test.each([
  [{ least: 0, most: 100 }, [0, 100]],
  [{ least: 18, most: undefined }, [18, 19.8]],
  [{ least: 0, most: 2_147_483_647 }, [0, 1]],
  [{ least: undefined, most: 0.5 }, [0, 0.5]],
  [{ least: undefined, most: -3 }, [-4, -3]],
  [{ least: 1.6e12, most: 1.8e12 }, [1.6e12, 1.8e12]],
] as const)("of %j the ends that somebody meant hold", (bounds, range) => {
  expect(rangeOf(bounds, 1)).toEqual(range);
});

test("between two numbers there are no more decimals than they have", () => {
  const values = (a: number, b: number): number[] =>
    Array.from({ length: 500 }, (_, i) => between(a, b, i / 500));
  expect(new Set(values(5.1, 5.4))).toEqual(new Set([5.1, 5.2, 5.3, 5.4]));
  expect(new Set(values(3, 1))).toEqual(new Set([1, 2, 3]));
  for (const value of values(0.123456789, 98.7654321)) {
    expect(String(value)).toMatch(/^\d+(\.\d{1,2})?$|^0\.123456789$/);
  }
  expect(new Set(values(1e-7, 3e-7)).size).toBeLessThanOrEqual(3);
});
