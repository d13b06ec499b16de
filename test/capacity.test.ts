// A small search on the real dev stack: killed in the middle, gone on with, and ended with proof.
import { execFileSync, spawn } from "node:child_process";
import { globSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { foldJournal, parseJournal, type Entry } from "../loadtest/capacity/journal.ts";
import type { ReportData } from "../loadtest/capacity/report/data.ts";
import { bringUp, type Clone, docker, freshClone, onFreePorts } from "./clone.ts";

let clone: Clone;
let settings: string;
const before: { text?: string; service?: string } = {};

const rows = mkdtempSync(join(tmpdir(), "rows-"));
const columns = ["sepal_length", "sepal_width", "petal_length", "petal_width"];
writeFileSync(join(rows, "own.csv"), `${columns.join(",")}\n5.1,3.5,1.4,0.2\n6.3,3.3,6,2.5\n`);
writeFileSync(join(rows, "bad.ndjson"), '{"sepal_length":null}\n');

// 0.3 CPU is far more than this load needs and 0.01 far less, so that a busy machine decides the same.
const flags = [
  ...["--users", "300", "--spawn-rate", "150", "--slo", "p95<2s,failures=0"],
  ...["--cpus", "0.01,0.3,0.5", "--memory", "128MB", "--replicas", "1"],
  ...["--settle", "3s", "--steady", "6s", "--repeats", "2"],
  ...["--data", join(rows, "own.csv")],
];
const npm = ["run", "-s", "capacity", "--", ...flags];

const journal = (): Entry[] => {
  const [file] = globSync(join(clone.dir, ".state/capacity/*/journal.jsonl"));
  return file === undefined ? [] : parseJournal(readFileSync(file, "utf8")).entries;
};
const limitsOfService = (): string => {
  const [service = ""] = clone.containers("service");
  return docker("inspect", "-f", "{{.HostConfig.NanoCpus}} {{.HostConfig.Memory}}", service);
};

beforeAll(async () => {
  clone = freshClone("capacity");
  settings = join(clone.dir, "Pulumi.dev.yaml");
  await onFreePorts(clone);
  expect((await clone.run("npm", ["ci"])).code).toBe(0);
  expect((await clone.run("npm", ["run", "setup", "--", "--yes"])).code).toBe(0);
  const { code, output } = await bringUp(clone, "-s", "dev");
  expect(code, output).toBe(0);
  before.text = readFileSync(settings, "utf8");
  before.service = limitsOfService();
});

afterAll(() => {
  clone.remove();
});

test("killed with -9 in the middle of a trial, it has written down every trial that ended", async () => {
  const search = spawn("npm", npm, { cwd: clone.dir, detached: true, stdio: "ignore" });
  const deadline = Date.now() + 6 * 60_000;
  const { pid } = search;
  while (Date.now() < deadline) {
    await setTimeout(500);
    const entries = journal();
    if (entries.some(({ type }) => type === "trial") && entries.at(-1)?.type === "begin") break;
  }
  await setTimeout(3000);
  if (pid !== undefined) process.kill(-pid, "SIGKILL");
  const { trials, cutShort, ended } = foldJournal(journal());
  expect(trials.length).toBeGreaterThan(0);
  expect(cutShort).toBe(1);
  expect(ended).toBe(false);
  expect(readFileSync(settings, "utf8")).toBe(before.text);
});

test("run again, it goes on from there and ends with a certificate, and the stack is as it was", async () => {
  const kept = foldJournal(journal()).trials;
  const { code, stdout, output } = await clone.run("npm", [...npm, "--json"]);
  expect(code, output).toBe(0);
  const data = JSON.parse(stdout) as ReportData;
  expect(data.trials.slice(0, kept.length)).toEqual(kept);
  expect(foldJournal(journal())).toMatchObject({ cutShort: 1, ended: true });
  expect(foldJournal(journal()).trials).toEqual(data.trials);
  const tried = data.trials.map(
    ({ limits, verdict, said }) => `${limits.cpus} CPU: ${verdict}: ${said}`,
  );
  expect(data.certificate, tried.join("\n")).toMatchObject({ complete: true });
  expect(data.certificate?.winner.cpus).toBeGreaterThanOrEqual(0.3);
  for (const { seen, verdict } of data.trials) {
    if (verdict === "pass") expect(seen.gateway?.cpu).toBeGreaterThan(0);
  }
  expect(readFileSync(settings, "utf8")).toBe(before.text);
  expect(limitsOfService()).toBe(before.service);
  const files = globSync(join(clone.dir, ".state/capacity/*/report.{md,json,html}"));
  expect(files).toHaveLength(3);
});

test("asked once more with --apply, it makes no trial, writes the answer down and shows the preview", async () => {
  const { code, output } = await clone.run("npm", [...npm, "--apply"]);
  expect(code, output).toBe(0);
  const [file = ""] = globSync(join(clone.dir, ".state/capacity/*/report.json"));
  const { certificate } = JSON.parse(readFileSync(file, "utf8")) as ReportData;
  expect(readFileSync(settings, "utf8")).toContain(`"${certificate?.winner.cpus ?? "?"}"`);
  expect(output).toMatch(/docker:index:Container inference-0/);
  expect(limitsOfService()).toBe(before.service);
  const changed = execFileSync("git", ["status", "--short"], { cwd: clone.dir, encoding: "utf8" });
  expect(changed.trim()).toBe("M Pulumi.dev.yaml");
});

test("rows that the model refuses end a search before its first trial, with what it says of them", async () => {
  const refused = [...npm, "--data", join(rows, "bad.ndjson")];
  const { code, output } = await clone.run("npm", refused);
  expect(code, output).toBe(2);
  expect(output).toMatch(
    /row 1 of bad\.ndjson, \{"sepal_length":null\}, was answered 422, "Invalid input.*mend that row/,
  );
  expect(output).not.toContain("bringing the stack");
  expect(limitsOfService()).toBe(before.service);
});
