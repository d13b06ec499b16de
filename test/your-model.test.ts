// The README's section "Your model", line by line, with a model that nobody here knows.
import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ReportData } from "../loadtest/capacity/report/data.ts";
import { root } from "../toolchain/clone.mjs";
import { run } from "../toolchain/process.mjs";
import { ensureImages } from "../toolchain/steps/images.mjs";
import { baseImages } from "../toolchain/versions.mjs";
import { type Clone, freshClone, onFreePorts } from "./clone.ts";
import { typedIn } from "./support/readme.ts";
import { differences, type Truth } from "./support/truth.ts";

let clone: Clone;
let apiUrl: string;
let truth: Truth;

/** Fits the pipeline in a container, which leaves its pickle and rows in the clone's folder. */
async function train(): Promise<Truth> {
  await ensureImages(["base-mlflow"], { consent: { yes: true } });
  const work = await mkdtemp(join(tmpdir(), "your-model-"));
  const script = await readFile(join(root, "test/support/mixed_pipeline.py"), "utf8");
  const name = `${work.split("/").at(-1) ?? ""}-fit`;
  await run("docker", [
    ...["run", `--name=${name}`, "--network=none", "--memory=1g", baseImages.mlflow, "python3"],
    ...["-c", `import sys; sys.argv = ["", "/data"]\n${script}`],
  ]);
  await run("docker", ["cp", `${name}:/data/.`, work]);
  await run("docker", ["rm", "--volumes", name]);
  for (const file of ["pipeline.pkl", "rows.csv"])
    writeFileSync(join(clone.dir, file), await readFile(join(work, file)));
  const known = JSON.parse(await readFile(join(work, "truth.json"), "utf8")) as Truth;
  await rm(work, { recursive: true });
  return known;
}

beforeAll(async () => {
  clone = freshClone("your-model");
  apiUrl = await onFreePorts(clone);
  const ready = await clone.run("node", ["toolchain/setup.mjs", "--yes"]);
  expect(ready.code, ready.output).toBe(0);
  truth = await train();
});

afterAll(() => {
  clone.remove();
});

/** What the section has people type first. */
const lines = () => {
  const [block = []] = typedIn(readFileSync(join(clone.dir, "README.md"), "utf8"), "Your model");
  return block;
};

async function typed(line: string) {
  // Pulumi asks whoever sits there.
  const result = await clone.run("bash", ["-c", line], { PULUMI_SKIP_CONFIRMATIONS: "true" });
  expect(result.code, `${line}\n${result.output}`).toBe(0);
  return result;
}

test("its lines end with the pipeline in service: 100 rows as the original", async () => {
  expect(lines().slice(-2)).toEqual([
    expect.stringMatching(/^npm run loadtest -- --users 200 --spawn-rate 100 /),
    expect.stringMatching(/^npm run capacity -- --users 200 --slo 'p95<500ms,failures=0'$/),
  ]);
  expect(lines().join("\n")).toMatch(
    /^npm run model -- publish pipeline\.pkl --sample rows\.csv$/m,
  );
  for (const line of lines().slice(0, -2)) await typed(line);
  expect(truth.rows).toHaveLength(100);
  expect(await differences(apiUrl, truth)).toEqual([]);
});

test("200 users of it see no failure", async () => {
  const { stdout } = await typed(`${lines().at(-2) ?? ""} --only-summary`);
  const [, requests = "0"] = /^POST +\/predict +(\d+) +0 \(0\.00%\)/m.exec(stdout) ?? [];
  // Each of them a few, however slow the machine is.
  expect(Number(requests), stdout).toBeGreaterThan(1000);
});

test("a small search ends with a certificate", async () => {
  // As for the embedded model: one step is far more than this load needs, one far less.
  const { stdout } = await typed(
    `${(lines().at(-1) ?? "").replace("npm run", "npm run -s").replace("500ms", "2s")} ` +
      "--spawn-rate 100 --cpus 0.01,0.5 --memory 256MB --replicas 1 " +
      "--settle 3s --steady 6s --repeats 1 --json",
  );
  const { certificate } = JSON.parse(stdout) as ReportData;
  expect(certificate).toMatchObject({ complete: true, winner: { cpus: 0.5 } });
});
