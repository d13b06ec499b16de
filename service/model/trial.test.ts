import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Usage } from "../limits.ts";
import { isFault } from "./fault.ts";
import { failureIn, ranOut, trialShare, tryOut } from "./trial.ts";

const TRIAL = join(import.meta.dirname, "trial.ts");
const IRIS = join(import.meta.dirname, "../models/iris");

let folder: string;
const { argv } = process;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "trial-"));
});
afterEach(() => {
  process.argv = argv;
  rmSync(folder, { recursive: true });
});

/** What is said of a model by a trial whose process does `work`; undefined when it is good. */
async function said(
  work: string,
  model = IRIS,
  longestMs?: number,
  share?: number,
): Promise<unknown> {
  const program = join(folder, "program.mts");
  writeFileSync(
    program,
    `import { modelOnTrial, tryModel } from ${JSON.stringify(TRIAL)};\n` +
      `const begin = () => new Promise((sent) => process.send("loading", sent));\n${work}\n`,
  );
  process.argv = [process.execPath, program];
  return tryOut(model, longestMs, share).catch((error: unknown) => error);
}
const REAL = "tryModel(modelOnTrial(), { threads: 1 });";

test("a trial of a model that loads finds nothing, and of one that does not its own words", async () => {
  expect(await said(REAL)).toBeUndefined();
  const error = await said(REAL, folder);
  expect(String(error)).toContain("model.onnx is no file");
  expect(isFault(error)).toBe(true);
  expect(isFault(await said(REAL, join(folder, "gone")))).toBe(false);
});

test.each([
  ["crashes", 'process.kill(process.pid, "SIGSEGV");', /ended by SIGSEGV/, true],
  ["aborts", 'console.error("no such kernel"); process.abort();', /SIGABRT.*no such kernel/, true],
  ["throws", 'throw new Error("bad weights");', /exit code 1: .*bad weights/, true],
  ["exits", "process.exit(7);", /ended by exit code 7$/, true],
  ["is killed", 'process.kill(process.pid, "SIGKILL");', /ended by SIGKILL/, false],
  ["is told to end", 'process.kill(process.pid, "SIGTERM");', /ended by SIGTERM/, false],
  ["loses its channel", "process.disconnect();", /ended by exit code 0/, false],
])("a trial that %s says what happened, and whose fault it is", async (_, work, reason, fault) => {
  const error = await said(`await begin();\n${work}`);
  expect(String(error)).toMatch(reason);
  expect(String(error)).not.toMatch(/memory/);
  expect(isFault(error)).toBe(fault);
});

test("an end before it got to the model says nothing about the model", async () => {
  expect(isFault(await said('throw new Error("no such library");'))).toBe(false);
  expect(isFault(await said('process.kill(process.pid, "SIGSEGV");'))).toBe(false);
});

test("a trial that takes too long says so", async () => {
  const error = await said("await begin();\nsetInterval(() => {}, 1000);", IRIS, 2000);
  expect(String(error)).toContain("took longer than 2 s");
  // One that has not even got to the model says nothing about it.
  const end = { code: null, signal: "SIGKILL", late: true, stderr: "" } as const;
  expect(failureIn({ ...end, loading: true }, 1000).fault).toBe(true);
  expect(failureIn({ ...end, loading: false }, 1000).fault).toBe(false);
});

test("a trial beside a model that serves rests in between, and comes to the same", async () => {
  const file = join(folder, "times");
  const work = `const since = performance.now();
    const used = () => process.cpuUsage().user + process.cpuUsage().system;
    const end = used() + 300_000;
    while (used() < end);
    (await import("node:fs")).writeFileSync(${JSON.stringify(file)}, String(performance.now() - since));
    ${REAL}`;
  expect(await said(work, IRIS, 60_000, 0.2)).toBeUndefined();
  // Of CPU time it took 300.
  expect(Number(readFileSync(file, "utf8"))).toBeGreaterThan(900);
  expect([0.25, 1, 4, undefined].map(trialShare)).toEqual([0.125, 0.5, 0.5, 0.5]);
});

const usage = (memoryKills: number | undefined, memoryHits: number | undefined): Usage => ({
  cpuSeconds: 0,
  memoryBytes: 0,
  memoryHits,
  memoryKills,
});

test.each([
  ["SIGKILL", usage(1, 5), usage(2, 9), true],
  ["SIGKILL", usage(1, 5), usage(1, 9), false],
  ["SIGKILL", usage(undefined, 5), usage(undefined, 6), true],
  ["SIGKILL", usage(undefined, 5), usage(undefined, 5), false],
  ["SIGKILL", usage(undefined, undefined), usage(undefined, undefined), false],
  ["SIGSEGV", usage(1, 5), usage(2, 9), false],
  [null, usage(undefined, 5), usage(undefined, 9), false],
] as const)(
  "memory ran out only where the kernel says so: %s, %j, %j",
  (signal, before, after, ran) => {
    expect(ranOut({ signal }, before, after)).toBe(ran);
  },
);

test("of what a process wrote last only what people can read is told", () => {
  const stderr =
    "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  \u001bstd::bad_alloc\n" +
    "----- Native stack trace -----\n\n 1: 0xb7a5f0 node::Abort\n    at load (x.ts:1)\nNode.js v24.1.0\n";
  const end = { code: null, signal: "SIGABRT", loading: true, late: false, stderr } as const;
  expect(failureIn(end, 1000).reason).toBe(
    "a trial of it ended by SIGABRT: terminate called after throwing an instance of 'std::bad_alloc' what(): std::bad_alloc",
  );
  expect(failureIn({ ...end, stderr: "x".repeat(9000) }, 1000).reason.length).toBeLessThan(400);
});
