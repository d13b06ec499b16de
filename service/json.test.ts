import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Decimal } from "./contract/decimal.ts";
import { parseExact, parseJson } from "./json.ts";

const one = (text: string): unknown => (parseExact(`[${text}]`) as unknown[])[0];

describe("exact JSON", () => {
  it.each<[string, unknown]>([
    ["9007199254740991", 2 ** 53 - 1],
    ["9007199254740992", 2n ** 53n],
    ["9007199254740993", 2n ** 53n + 1n],
    ["-9007199254740993", -(2n ** 53n) - 1n],
    ["9007199254740993.0", 2n ** 53n + 1n],
    ["9007199254740993e0", 2n ** 53n + 1n],
    ["90071992547409930e-1", 2n ** 53n + 1n],
    ["9.007199254740993e15", 2n ** 53n + 1n],
    ["9.007199254740993E+15", 2n ** 53n + 1n],
    ["0.000009007199254740993000e+21", 2n ** 53n + 1n],
    ["123456789012345e4", 1234567890123450000n],
    ["9223372036854775807", 2n ** 63n - 1n],
    ["18446744073709551615", 2n ** 64n - 1n],
    ["18446744073709551616", 2n ** 64n],
    ["18446744073709555712", 2 ** 64 + 4096],
    ["1e18", 10n ** 18n],
    ["1e400", Infinity],
    ["12345.0", 12345],
    ["0.30000000000000004", 0.1 + 0.2],
    ["-0", -0],
    ["-0.0000000000000000000", -0],
    ["-0e9", -0],
  ])("reads %s as %s", (text, value) => {
    const read = one(text);
    if (typeof value === "bigint")
      expect(read).toMatchObject({ whole: value, nearest: Number(value) });
    else expect(Object.is(read, value)).toBe(true);
  });

  it.each(["9007199254740992.5", "0.99999999999999999999", "1.00000000000000000001", "1e-400"])(
    "keeps that %s is not whole, though its double is",
    (text) => {
      expect(one(text)).toEqual(new Decimal(Number(text), undefined));
    },
  );

  it("writes again what it read, and reads all else as JSON.parse does", () => {
    const long = '[{"a":9007199254740993,"b":"\\"1e5\\\\"},-9223372036854775808]';
    expect(JSON.stringify(parseExact(long))).toBe(long);
    // Where a text has a long number, all of it goes the exact way.
    fc.assert(
      fc.property(fc.json(), fc.integer({ min: 0, max: 3 }), (text, indent) => {
        const spaced = JSON.stringify([JSON.parse(text), 1e-5], null, indent);
        expect(JSON.stringify(parseExact(spaced))).toBe(JSON.stringify(JSON.parse(spaced)));
      }),
      { numRuns: 2000 },
    );
  });

  it("reads any decimal as the whole number that it is, or as none", () => {
    const decimal = fc.tuple(
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      fc.integer({ min: 0, max: 25 }),
      fc.integer({ min: 0, max: 5 }),
    );
    fc.assert(
      fc.property(decimal, ([whole, places, zeros]) => {
        const size = String(whole < 0n ? -whole : whole).padStart(places + 1, "0");
        const [left, right] = [size.slice(0, size.length - places), size.slice(-places || 99)];
        const fraction = `${right}${"0".repeat(zeros)}`;
        const text = `${whole < 0n ? "-" : ""}${left}${fraction ? `.${fraction}` : ""}e${places}`;
        const read = one(text);
        expect([text, read instanceof Decimal ? read.whole : BigInt(read as number)]).toEqual([
          text,
          whole,
        ]);
      }),
      { numRuns: 3000 },
    );
  });

  it("has keys that change no prototype, and the last of those that come twice", () => {
    const text = '{"__proto__":{"x":1e2},"a":1,"a":2}';
    const read = parseExact(text) as object;
    expect(Object.keys(read)).toEqual(["__proto__", "a"]);
    expect(Object.getPrototypeOf(read)).toBe(Object.prototype);
    expect(read).toMatchObject({ a: 2 });
  });

  it("has no stack to overflow", () => {
    const deep = `${"[".repeat(200_000)}1e5${"]".repeat(200_000)}`;
    expect(Array.isArray(parseExact(deep))).toBe(true);
  });

  it("costs of a long number what its length is, and refuses what is no JSON", () => {
    const body = Buffer.from(`[${"9".repeat(2 ** 20)}]`);
    const best = (read: () => unknown): number => {
      const times = Array.from({ length: 7 }, () => {
        const start = performance.now();
        read();
        return performance.now() - start;
      });
      return Math.min(...times);
    };
    const plain = best(() => parseJson(body, false));
    expect(best(() => parseJson(body, true))).toBeLessThan(12 * plain);
    expect(parseJson(Buffer.from("[9007199254740993,]"), true)).toMatchObject({
      problem: { status: 400 },
    });
  });
});
