import { setImmediate } from "node:timers/promises";
import { expect, test } from "vitest";
import type { Failure } from "../model/fault.ts";
import { firstFailure } from "./in-turn.ts";

/** Processes that answer so, and what is told of them: who loads, and who has loaded. */
function processes(...answers: (Failure | undefined)[]) {
  const told: string[] = [];
  const prepare = answers.map((answer, i) => async () => {
    told.push(`${i} loads`);
    await setImmediate();
    told.push(`${i} has loaded`);
    return answer;
  });
  return { told, prepare };
}

test("one process loads at a time, so that the others answer meanwhile", async () => {
  const { told, prepare } = processes(undefined, undefined);
  expect(await firstFailure(prepare)).toBeUndefined();
  expect(told).toEqual(["0 loads", "0 has loaded", "1 loads", "1 has loaded"]);
});

test("what one refuses, no other has to load", async () => {
  const { told, prepare } = processes(undefined, { reason: "no", fault: true }, undefined);
  expect(await firstFailure(prepare)).toMatchObject({ reason: "no" });
  expect(told).not.toContain("2 loads");
});
