import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
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

test("a process that has ended is gone, though nobody has asked yet how it ended", async () => {
  // `sleep` never asks after the child that it has from the shell before it.
  const parent = spawn("bash", ["-c", "sleep 600 & echo $!; exec sleep 600"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [printed] = (await once(parent.stdout, "data")) as [Buffer];
  const pid = Number(printed.toString());
  try {
    const until = async (id: number, stat: RegExp) => {
      while (!stat.test(readFileSync(`/proc/${id}/stat`, "utf8"))) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    await until(parent.pid ?? 0, /\(sleep\)/);
    expect(alive(pid)).toBe(true);
    process.kill(pid, "SIGKILL");
    await until(pid, /\) Z /);
    expect(alive(pid)).toBe(false);
  } finally {
    parent.kill("SIGKILL");
  }
});
