import { expect, test } from "vitest";
import { pendingIn } from "./pending.mjs";

test("operations that were begun are counted, in a stack's file of whatever age", () => {
  const noted = [{ type: "creating" }, { type: "deleting" }];
  expect(pendingIn({ checkpoint: { latest: { pending_operations: noted } } })).toBe(2);
  expect(pendingIn({ checkpoint: { latest: { pending_operations: [] } } })).toBe(0);
  expect(pendingIn({ checkpoint: { latest: {} } })).toBe(0);
  expect(pendingIn({ checkpoint: {} })).toBe(0);
});
