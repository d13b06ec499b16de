import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";

const run = (...args: string[]) =>
  spawnSync(process.execPath, [join(import.meta.dirname, "main.ts"), ...args], {
    encoding: "utf8",
  });

test.each([
  [[], "No part is named: npm run trust -- kill | attack.\n"],
  [["killed"], "There is no part killed: npm run trust -- kill | attack.\n"],
  [["kill", "again"], "There is no part kill again: npm run trust -- kill | attack.\n"],
  [["kill", "--moments", "0"], "--moments is 0, and has to be a whole number from 1 on.\n"],
  [["attack", "--scale", "2"], "--scale is 2, and has to be a number above 0 and up to 1.\n"],
  [["kill", "--seed", "1.5"], "--seed is 1.5, and has to be a whole number from 0 on.\n"],
])("%j is refused in a sentence, before anything is made", (args, sentence) => {
  expect(run(...args)).toMatchObject({ status: 2, stdout: "", stderr: sentence });
});

test("--help names the part and its flags", () => {
  const { status, stdout } = run("--help");
  expect(status).toBe(0);
  for (const word of ["kill", "--moments", "--seed", "--out", "--json"]) {
    expect(stdout).toContain(word);
  }
});
