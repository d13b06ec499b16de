import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { alive, bootTime, identity, isStill, startTicks } from "./processes.mjs";

test("a process is known again by when it started, and no more once it ended", async () => {
  const child = spawn("sleep", ["600"]);
  await once(child, "spawn");
  const pid = child.pid ?? 0;
  const noted = identity(pid);
  expect(isStill(pid, noted)).toBe(true);
  expect(isStill(pid, `${noted}1`)).toBe(false); // another, that was given the same number
  expect(isStill(pid, "")).toBe(true);
  const started = (bootTime() ?? NaN) + (startTicks(pid) ?? NaN) * 10;
  expect(Math.abs(started - Date.now())).toBeLessThan(60_000);
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(alive(pid)).toBe(false);
  expect(isStill(pid, noted)).toBe(false);
  expect(startTicks(pid)).toBeUndefined();
});
