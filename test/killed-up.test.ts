// An `up` that is killed with -9 while requests come in: the next one puts all right, and nothing is lost.
// `npm run trust -- kill` does the same at many more moments.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Clone, dockerLines } from "./clone.ts";
import { freshStack } from "./trust/kill.ts";
import { type Going, killedUp } from "./trust/killed-up.ts";
import type { Change } from "./trust/moments.ts";
import { until } from "./loadtest/processes.ts";

let clone: Clone;
let apiUrl: string;

beforeAll(async () => {
  ({ clone, apiUrl } = await freshStack("killed"));
});

afterAll(() => {
  clone.remove();
});

const replicas = () => clone.containers("service");

/** Killed where it is known what the engine and the state have by then. */
async function kill(change: Change, moment: (going: Going) => Promise<unknown>) {
  const outcome = await killedUp(clone, apiUrl, change, moment);
  if ("endedAfterMs" in outcome) throw new Error("the update ended before it was killed");
  expect(outcome.failures).toEqual([]);
  expect(outcome.wrong).toEqual([]);
  expect(outcome.sent).toBeGreaterThan(200);
  expect(outcome.processes).toBeGreaterThan(3);
  expect(outcome.recovered).toContain("cleared a lock");
  return outcome;
}

test("before the new replica is there", async () => {
  await kill({ key: "replicas", value: "2" }, ({ said }) => said(/Container inference-1 creating/));
  expect(replicas()).toHaveLength(2);
});

test("when the engine has new replicas that no state records", async () => {
  const before = replicas();
  const { recovered } = await kill({ key: "cpus", value: "0.5" }, () =>
    until(() => Promise.resolve(replicas().length > before.length)),
  );
  expect(recovered).toContain("removed a container");
  expect(replicas()).toHaveLength(2);
});

test("when the old replicas are being stopped", async () => {
  await kill({ key: "memory", value: "192MB" }, ({ said }) =>
    said(/Container inference-\d deleting original/),
  );
  expect(replicas()).toHaveLength(2);
  expect(
    dockerLines("ps", "-q", "--filter", `label=inference-stack.clone=${clone.id}`),
  ).toHaveLength(6);
});
