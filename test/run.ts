// `npm test`: every check and every test, one after another, with the time each part took.
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { root, stateDir } from "../toolchain/clone.mjs";

interface Part {
  readonly name: string;
  readonly command: readonly string[];
  /** Where vitest writes its counts. */
  readonly report?: string;
}

interface Outcome extends Part {
  readonly ok: boolean;
  readonly seconds: number;
  readonly passed: number;
  readonly failed: number;
}

const artifacts = join(stateDir, "artifacts");
rmSync(artifacts, { recursive: true, force: true });
mkdirSync(artifacts, { recursive: true });

function tests(project: "unit" | "engine"): Part {
  const report = join(artifacts, `${project}.json`);
  const reporters = ["--reporter=verbose", "--reporter=json", `--outputFile.json=${report}`];
  return {
    name: `${project} tests`,
    command: ["npx", "--no-install", "vitest", "run", "--project", project, ...reporters],
    report,
  };
}

const parts: readonly Part[] = [
  { name: "types", command: ["npm", "run", "-s", "check:types"] },
  { name: "lint", command: ["npm", "run", "-s", "check:lint"] },
  { name: "format", command: ["npm", "run", "-s", "check:format"] },
  tests("unit"),
  tests("engine"),
];

const counts = (report: string): { passed: number; failed: number } => {
  try {
    const { numPassedTests, numFailedTests, numFailedTestSuites } = JSON.parse(
      readFileSync(report, "utf8"),
    ) as { numPassedTests: number; numFailedTests: number; numFailedTestSuites: number };
    return { passed: numPassedTests, failed: Math.max(numFailedTests, numFailedTestSuites) };
  } catch {
    return { passed: 0, failed: 1 };
  }
};

async function run(part: Part): Promise<Outcome> {
  console.log(`\n── ${part.name}`);
  const started = performance.now();
  const [command = "", ...args] = part.command;
  const child = spawn(command, args, {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
  const code = await new Promise((resolve) => child.once("close", resolve));
  const seconds = (performance.now() - started) / 1000;
  const ok = code === 0;
  const counted = part.report ? counts(part.report) : { passed: ok ? 1 : 0, failed: ok ? 0 : 1 };
  return { ...part, ok, seconds, ...counted };
}

const outcomes: Outcome[] = [];
for (const part of parts) outcomes.push(await run(part));

console.log(`\nLogs and reports: ${artifacts}`);
for (const { name, ok, seconds } of outcomes) {
  console.log(`${ok ? "ok    " : "FAILED"}  ${name.padEnd(14)} ${seconds.toFixed(1)} s`);
}
const sum = (count: "passed" | "failed") => outcomes.reduce((total, o) => total + o[count], 0);
console.log(`\n${sum("passed")} passed, ${sum("failed")} failed`);
process.exit(outcomes.every(({ ok }) => ok) ? 0 : 1);
