import { expect, test } from "vitest";
import { MOST_DEPTH, weigh } from "./weight.ts";

const of = (text: string) => weigh(Buffer.from(text));

test("brackets weigh many times what blanks weigh", () => {
  const brackets = of(`[${"[],".repeat(100_000)}[]]`).bytes;
  expect(brackets).toBeGreaterThan(20 * 300_000);
  expect(of(`1${" ".repeat(300_000)}`).bytes).toBeLessThan(400_000);
});

test("what stands in texts is no structure", () => {
  const text = JSON.stringify('[{,:\\"['.repeat(10_000));
  expect(of(`[${text}]`).depth).toBe(1);
});

test("depth is told up to where it is too much", () => {
  const nested = (depth: number) =>
    `[${"0,".repeat(10_000)}${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}]`;
  expect(of(nested(MOST_DEPTH)).depth).toBe(MOST_DEPTH);
  expect(of(nested(5000)).depth).toBe(MOST_DEPTH + 1);
});
