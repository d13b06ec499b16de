// `npm test`: every check and every test, or those that are named, with the time each part took.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { root, stateDir } from "../toolchain/clone.mjs";
import { engineFiles } from "./support/engine-files.ts";
import { type Part, partsOf, type Stage, UsageError } from "./support/parts.ts";
import { type Tally, tally, tallyText } from "./support/tally.ts";

interface Outcome extends Part {
  readonly ok: boolean;
  readonly seconds: number;
}

const artifacts = join(stateDir, "artifacts");

function stages(): Stage[] {
  const cwd = process.env["INIT_CWD"] ?? process.cwd();
  try {
    // A file of them alone leaves two thirds of two cores idle.
    const atOnce = availableParallelism() + 1;
    const place = {
      atOnce,
      engineFiles: engineFiles(root),
      root,
      cwd,
      artifacts,
      exists: existsSync,
    };
    return partsOf(process.argv.slice(2), place);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(error.message);
    process.exit(2);
  }
}

/** @param aside what it prints is shown when it has ended: another part prints meanwhile */
async function run(part: Part, aside: boolean): Promise<Outcome> {
  const title = `\n── ${part.name}`;
  if (!aside) console.log(title);
  const started = performance.now();
  const [command = "", ...args] = part.command;
  const child = spawn(command, args, {
    cwd: root,
    env: { ...process.env, ...part.env },
    stdio: ["ignore", aside ? "pipe" : "inherit", aside ? "pipe" : "inherit"],
  });
  const said: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (piece: Buffer) => said.push(piece));
  }
  const code = await new Promise((resolve) => child.once("close", resolve));
  const seconds = (performance.now() - started) / 1000;
  if (aside) process.stdout.write(`${title}\n${Buffer.concat(said).toString()}`);
  return { ...part, ok: code === 0, seconds };
}

async function runLane(parts: readonly Part[], aside: boolean): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const part of parts) outcomes.push(await run(part, aside));
  return outcomes;
}

/** undefined where vitest ended before it could write its report: the part has failed then. */
function tallied(report: string): Tally | undefined {
  if (!existsSync(report)) return undefined;
  return tally(JSON.parse(readFileSync(report, "utf8")) as Parameters<typeof tally>[0]);
}

const wanted = stages();
rmSync(artifacts, { recursive: true, force: true });
mkdirSync(artifacts, { recursive: true });

const outcomes: Outcome[] = [];
for (const lanes of wanted) {
  const last = lanes.length - 1;
  const ended = await Promise.all(lanes.map((parts, lane) => runLane(parts, lane !== last)));
  outcomes.push(...ended.flat());
  if (ended.flat().some(({ needed, ok }) => needed && !ok)) break;
}

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
