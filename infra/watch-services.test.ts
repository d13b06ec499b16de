import { expect, test } from "vitest";
import { startOf } from "./watch-services.ts";

const task = (Name: string, CurrentState: string, Error = "") => ({
  ID: Name,
  Name,
  CurrentState,
  Error,
});

test("a service's start is what befell the place that failed most, and its latest reason", () => {
  const start = startOf("inference", "service", [
    task("inference.1", "Starting 1 second ago"),
    task(String.raw` \_ inference.1`, "Failed 2 seconds ago", '"task: non-zero exit (3)"'),
    task(String.raw` \_ inference.1`, "Failed 6 seconds ago", '"task: non-zero exit (3)"'),
    task("inference.2", "Failed 9 seconds ago", '"task: non-zero exit (3)"'),
  ]);
  expect(start).toMatchObject({ exits: 2, exitCode: 3, outOfMemory: false });
  expect(start.refusal).toBeUndefined();
});

test("replicas that failed once each have failed once", () => {
  const failed = (name: string) => task(name, "Failed 1 second ago", '"task: non-zero exit (1)"');
  expect(startOf("a", "service", [failed("a.1"), failed("a.2")]).exits).toBe(1);
});

test("what no node could start has Swarm's own reason", () => {
  const error = '"No such image: nobody/nothing:1"';
  const start = startOf("a", "service", [task("a.1", "Rejected 1 second ago", error)]);
  expect(start.refusal).toBe("No such image: nobody/nothing:1");
});

test("a service without tasks has no failure", () => {
  expect(startOf("a", "service", [])).toMatchObject({ exits: 0, exitCode: 0 });
});
