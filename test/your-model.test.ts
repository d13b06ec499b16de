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
import { type Clone, freshClone } from "./clone.ts";
import { freePort } from "./port.ts";
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
  const apiPort = await freePort();
  apiUrl = `http://127.0.0.1:${apiPort}`;
  const settings = join(clone.dir, "Pulumi.dev.yaml");
  writeFileSync(
    settings,
    `${readFileSync(settings, "utf8")}  inference-stack:apiPort: "${apiPort}"\n` +
      `  inference-stack:loadtestPort: "${await freePort()}"\n`,
  );
  const ready = await clone.run("node", ["toolchain/setup.mjs", "--yes"]);
  expect(ready.code, ready.output).toBe(0);
  truth = await train();
});

afterAll(() => {
  clone.remove();
});

test("its lines end with the pipeline in service: 100 rows as the original", async () => {
  const [lines = []] = typedIn(readFileSync(join(clone.dir, "README.md"), "utf8"), "Your model");
  expect(lines.join("\n")).toMatch(/model -- publish pipeline\.pkl --sample rows\.csv/);
  for (const line of lines) {
    // Pulumi asks whoever sits there.
    const { code, output } = await clone.run("bash", ["-c", line], {
      PULUMI_SKIP_CONFIRMATIONS: "true",
    });
    expect(code, `${line}\n${output}`).toBe(0);
  }
  expect(truth.rows).toHaveLength(100);
  expect(await differences(apiUrl, truth)).toEqual([]);
});

test("200 users of it see no failure", async () => {
  const flags = ["--users", "200", "--spawn-rate", "100", "--run-time", "15s", "--json"];
  const load = await clone.run("npm", ["run", "-s", "loadtest", "--", ...flags]);
  expect(load.code, load.output).toBe(0);
  expect(load.stdout).toContain("/predict");
});

test("a small search ends with a certificate", async () => {
  // As in the search of the embedded model: one step is far more than enough, one far less.
  const { code, stdout, output } = await clone.run("npm", [
    ...["run", "-s", "capacity", "--", "--users", "200", "--spawn-rate", "100"],
    ...["--slo", "p95<2s,failures=0", "--cpus", "0.01,0.5", "--memory", "256MB", "--replicas", "1"],
    ...["--settle", "3s", "--steady", "6s", "--repeats", "1", "--json"],
  ]);
  expect(code, output).toBe(0);
  const { certificate } = JSON.parse(stdout) as ReportData;
  expect(certificate).toMatchObject({ complete: true, winner: { cpus: 0.5 } });
});
