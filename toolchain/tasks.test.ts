import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { limiter, runTasks } from "./tasks.mjs";

const said: string[] = [];

beforeEach(() => {
  said.length = 0;
  vi.stubEnv("CI", "1"); // plain lines, also when the tests run on a terminal
  vi.spyOn(console, "log").mockImplementation((line: string) => said.push(line));
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

const outcome = (piece: string) => ({
  piece,
  source: "registries",
  bytes: 1,
  seconds: 1,
  kept: false,
});

test("tasks run side by side, and one may ask for others in its place", async () => {
  const instead = { title: "built", run: () => Promise.resolve(outcome("b")) };
  const outcomes = await runTasks([
    { title: "first", run: () => Promise.resolve(outcome("a")) },
    { title: "downloaded", run: () => Promise.resolve([instead]) },
  ]);
  expect(outcomes.map(({ piece }) => piece)).toEqual(["a", "b"]);
});

test("a failure is named with its task, after the others have ended", async () => {
  let ended = false;
  const tasks = [
    { title: "doomed", run: () => Promise.reject(new Error("no such module")) },
    {
      title: "slow",
      run: async () => {
        await new Promise((resolve) => setTimeout(resolve, 50));
        ended = true;
        return outcome("slow");
      },
    },
  ];
  await expect(runTasks(tasks)).rejects.toThrow("doomed: no such module");
  expect(ended).toBe(true);
  expect(said.join("\n")).toMatch(/^✗ doomed \(/m);
});

test("a limiter lets so many run at once, and all in the end", async () => {
  const limit = limiter(2);
  let running = 0;
  let most = 0;
  const work = async () => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setTimeout(resolve, 5));
    running -= 1;
  };
  await Promise.all(Array.from({ length: 7 }, () => limit(work)));
  expect(most).toBe(2);
});
