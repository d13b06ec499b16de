// `npm test`: every check and every test, or those that are named, one after another, with the time
// each part took.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { root, stateDir } from "../toolchain/clone.mjs";
import { type Part, partsOf, UsageError } from "./support/parts.ts";
import { type Tally, tally, tallyText } from "./support/tally.ts";

interface Outcome extends Part {
  readonly ok: boolean;
  readonly seconds: number;
}

const artifacts = join(stateDir, "artifacts");

function parts(): Part[] {
  const cwd = process.env["INIT_CWD"] ?? process.cwd();
  try {
    return partsOf(process.argv.slice(2), { root, cwd, artifacts, exists: existsSync });
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(error.message);
    process.exit(2);
  }
}

async function run(part: Part): Promise<Outcome> {
  console.log(`\n── ${part.name}`);
  const started = performance.now();
  const [command = "", ...args] = part.command;
  const child = spawn(command, args, {
    cwd: root,
    env: { ...process.env, ...part.env },
    stdio: ["ignore", "inherit", "inherit"],
  });
  const code = await new Promise((resolve) => child.once("close", resolve));
  const seconds = (performance.now() - started) / 1000;
  return { ...part, ok: code === 0, seconds };
}

/** undefined where vitest ended before it could write its report: the part has failed then. */
function tallied(report: string): Tally | undefined {
  if (!existsSync(report)) return undefined;
  return tally(JSON.parse(readFileSync(report, "utf8")) as Parameters<typeof tally>[0]);
}

const wanted = parts();
rmSync(artifacts, { recursive: true, force: true });
mkdirSync(artifacts, { recursive: true });

const outcomes: Outcome[] = [];
for (const part of wanted) outcomes.push(await run(part));

console.log(`\nLogs and reports: ${artifacts}`);
for (const { name, ok, seconds } of outcomes) {
  console.log(`${ok ? "ok    " : "FAILED"}  ${name.padEnd(14)} ${seconds.toFixed(1)} s`);
}
const tallies = outcomes.flatMap(({ report }) => (report ? (tallied(report) ?? []) : []));
const failed = outcomes.filter(({ ok }) => !ok).map(({ name }) => name);
console.log(
  `\n${tallyText(tallies)}${failed.length === 0 ? "" : ` (FAILED: ${failed.join(", ")})`}`,
);
// A name that no test has is a mistake, not a success.
const ran = tallies.some((one) => one.passed + one.failed > 0);
process.exit(failed.length === 0 && ran ? 0 : 1);
