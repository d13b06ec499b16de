import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { float32Text, writeFloat32 } from "./float32.ts";
import { Part, Writer } from "./writer.ts";

const writer = new Writer();
const written = (value: number): string => {
  writer.start();
  writeFloat32(writer, value);
  return writer.finish();
};
const ofBits = (bits: number): number => new Float32Array(Int32Array.of(bits).buffer)[0] ?? NaN;

describe("a float32 as text", () => {
  it.each([
    [0.98, "0.98000002"],
    [0.1, "0.1"],
    [-0.25, "-0.25"],
    [0, "0"],
    [-0, "-0"],
    [1, "1"],
    [16.5, "16.5"],
    [1e-6, "0.000001"],
    [1e-7, "1e-7"],
    [3e38, "3.0000000054977558e+38"],
    [NaN, "null"],
    [-Infinity, "null"],
  ])("%d is %s", (value, text) => {
    expect(written(Math.fround(value))).toBe(text);
  });

  it("is written as it is told, whatever its bits", () => {
    const value = fc.oneof(
      fc.integer().map(ofBits),
      fc.float({ min: 0, max: 1 }),
      fc.float({ min: Math.fround(1e-12), max: Math.fround(0.001) }),
      fc.integer({ min: -1e9, max: 1e9 }).map((units) => Math.fround(units / 1e8)),
    );
    fc.assert(
      fc.property(value, (any) => {
        expect(written(any)).toBe(float32Text(any));
      }),
      { numRuns: 50_000 },
    );
  });

  it("is written as it is told around every power of two and of ten", () => {
    for (let exponent = -45; exponent <= 38; exponent++) {
      const [near = 0] = new Int32Array(Float32Array.of(10 ** exponent).buffer);
      for (let bits = near - 50; bits <= near + 50; bits++)
        expect(written(ofBits(bits))).toBe(float32Text(ofBits(bits)));
    }
    for (let exponent = 0; exponent < 256; exponent++) {
      for (let more = -20; more <= 20; more++) {
        const value = ofBits((exponent << 23) + more);
        expect(written(value)).toBe(float32Text(value));
      }
    }
  });
});

describe("a writer", () => {
  it("puts together what it was given, longer than its room and outside ASCII", () => {
    const texts = fc.array(fc.string({ unit: "grapheme", maxLength: 300 }), { maxLength: 50 });
    fc.assert(
      fc.property(texts, fc.boolean(), (all, asParts) => {
        writer.start();
        for (const text of all) {
          if (asParts) writer.part(new Part(text));
          else writer.text(text);
        }
        expect(writer.finish()).toBe(all.join(""));
      }),
    );
    writer.start();
    const long = "x".repeat(100_000);
    for (let i = 0; i < 3; i++) writer.text(long);
    writer.part(new Part("é"));
    expect(writer.finish()).toBe(`${long}${long}${long}é`);
  });

  it("has nothing in a text of one that was not finished", () => {
    writer.start();
    writer.text("a stranger's ü");
    writer.start();
    writer.text("mine");
    expect(writer.finish()).toBe("mine");
  });
});
