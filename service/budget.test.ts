import { expect, test } from "vitest";
import { Budget } from "./budget.ts";

test("what does not fit is not held", () => {
  const budget = new Budget(100);
  expect(budget.take(60)).toBe(true);
  expect(budget.take(41)).toBe(false);
  expect(budget.held).toBe(60);
  expect(budget.take(40)).toBe(true);
  budget.give(60);
  expect(budget.held).toBe(40);
});
