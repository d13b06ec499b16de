import { expect, test } from "vitest";
import { Budget } from "./budget.ts";

test("what is not finished may have three quarters, and what does not fit is not held", () => {
  const budget = new Budget(100);
  expect(budget.take(60)).toBe(true);
  expect(budget.take(16)).toBe(false);
  expect(budget.held).toBe(60);
  expect(budget.take(15)).toBe(true);
  budget.give(60);
  expect(budget.held).toBe(15);
});

test("requests that are there have all of it", () => {
  const budget = new Budget(100);
  expect(budget.take(75)).toBe(true);
  expect(budget.admit(20)).toBe(true);
  expect(budget.admit(6)).toBe(false);
  expect(budget.admit(5)).toBe(true);
  budget.dismiss(20);
  expect(budget.held).toBe(80);
});

test("one request is let in however large it is, and no other beside it", () => {
  const budget = new Budget(100);
  expect(budget.admit(500)).toBe(true);
  expect(budget.admit(1)).toBe(false);
  expect(budget.take(1)).toBe(false);
  budget.dismiss(500);
  expect(budget.held).toBe(0);
  expect(budget.admit(1)).toBe(true);
});
