import { describe, expect, test } from "vitest";
import { Budget } from "../budget.ts";
import { CompressionError, HeaderReader, writeField } from "./hpack.ts";
import { Holding } from "../gathering.ts";

const reader = (budget = new Budget(1024 ** 2)): HeaderReader =>
  new HeaderReader(new Holding(budget));
const text = (value: string): number[] => [value.length, ...Buffer.from(value)];
/** A field that the sender adds to the table. */
const kept = (name: string, value: string): number[] => [0x40, ...text(name), ...text(value)];
/** Mentions an entry of the table, 0 for the newest. */
const mention = (index: number): number => 0x80 | (62 + index);
const resize = (bytes: number): number[] =>
  bytes < 31 ? [0x20 | bytes] : [0x3f, ((bytes - 31) & 0x7f) | 0x80, (bytes - 31) >> 7];
const read = (from: HeaderReader, ...bytes: (number | number[])[]): [string, string][] => [
  ...from.read(Buffer.from(bytes.flat())).map,
];

describe("the table", () => {
  test("has what blocks added, the newest first, also those that came before", () => {
    const headers = reader();
    const block = [kept("a", "1"), kept("b", "2")];
    // The second time it is remembered, and adds to the table all the same.
    for (let i = 0; i < 3; i++) {
      expect(read(headers, ...block)).toEqual([
        ["a", "1"],
        ["b", "2"],
      ]);
      expect(read(headers, mention(0), mention(1))).toEqual([
        ["b", "2"],
        ["a", "1"],
      ]);
    }
    expect(read(headers, kept("c", "3"), mention(0), mention(6))).toEqual([
      ["c", "3, 3"],
      ["a", "1"],
    ]);
    expect(() => read(headers, mention(7))).toThrow(CompressionError);
  });

  test("loses its oldest entries when it is full, and all that do not fit", () => {
    const headers = reader();
    // 100 bytes each: 40 of them fit into 4,096.
    for (let i = 0; i < 60; i++) read(headers, kept("n", String(i).padStart(67, "0")));
    expect(read(headers, mention(39))[0]?.[1]).toMatch(/0020$/);
    expect(() => read(headers, mention(40))).toThrow(CompressionError);
    const other = reader();
    read(other, kept("a", "1"));
    const large = [0x40, 1, 0x61, 0x7f, 0xa1, 0x1f, ...Buffer.alloc(4128, "b")];
    read(other, large);
    expect(() => read(other, mention(0))).toThrow(CompressionError);
  });

  test("is made smaller and larger again, and keeps what fitted all the time", () => {
    const headers = reader();
    read(headers, kept("a", "1"), kept("b", "2"));
    expect(read(headers, resize(40), resize(4096), mention(0))).toEqual([["b", "2"]]);
    expect(() => read(headers, mention(1))).toThrow(CompressionError);
    expect(() => read(reader(), resize(4097))).toThrow(CompressionError);
    expect(() => read(reader(), 0x82, resize(40))).toThrow(CompressionError);
    const none = reader();
    read(none, resize(0), kept("a", "1"));
    expect(() => read(none, mention(0))).toThrow(CompressionError);
  });
});

test("a block stands for no more than 24 kB", () => {
  const headers = reader();
  const large = [0x40, 1, 0x61, 0x7f, 0x81, 0x1e, ...Buffer.alloc(3968, "b")];
  read(headers, large);
  expect(read(headers, ...Array.from({ length: 6 }, () => mention(0)))).toHaveLength(1);
  expect(() => read(headers, ...Array.from({ length: 7 }, () => mention(0)))).toThrow(
    CompressionError,
  );
  expect(() => read(headers, ...Array.from({ length: 20 }, () => mention(0)))).toThrow(
    CompressionError,
  );
});

test("blocks are remembered as long as there is memory for them, with an end", () => {
  const budget = new Budget(1024 ** 2);
  const headers = reader(budget);
  for (let i = 0; i < 1000; i++) headers.read(writeField("x-own", `${i}`.repeat(100)));
  expect(budget.held).toBeLessThan(200 * 1024);
  const poor = reader(new Budget(10));
  const block = writeField("x-own", "1");
  expect(poor.read(block)).not.toBe(poor.read(block));
  expect(headers.read(block)).toBe(headers.read(block));
});
