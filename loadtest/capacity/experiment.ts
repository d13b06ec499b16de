// `npm run experiment -- table.yaml`: a declared table of configurations, measured one after another.
import { createHash } from "node:crypto";
import { basename, join, resolve } from "node:path";
import { UserError } from "../../infra/errors.ts";
import { readCommand } from "../../toolchain/command.mjs";
import { readOwnRows } from "../scenario/rows.ts";
import { Journal } from "./journal.ts";
import { tryLoad } from "./drive-load.ts";
import { machines, machineText, notRunnable } from "./machine.ts";
import { readMatrix, type Matrix } from "./matrix.ts";
import { loadTime } from "./plan.ts";
import { defaultPrices } from "./price.ts";
import { rowsPart } from "./question.ts";
import type { ReportData } from "./report/data.ts";
import { markdown } from "./report/markdown.ts";
import { writeReport } from "./report/write.ts";
import { capacityDir, holdStack, Progress, putBack } from "./session.ts";
import { parseSlo } from "./slo.ts";
import { limitsKey, type Limits } from "./space.ts";
import { platformOf, StackUnderTrial } from "./stack-under-trial.ts";
import { Teller, toldOf } from "./tell.ts";
import { requestOf, runTrial } from "./trial.ts";

const help = `Usage: npm run experiment -- docs/experiments/table.yaml [--stack dev] [--out DIR]

Measures each configuration that the table declares, as \`npm run capacity\` would, and writes one
report: report.md, report.json, report.html. A configuration larger than this machine is reported as
not runnable here; it is never scaled down. Stopped or killed, the same command goes on where it was.

  -s, --stack NAME   dev or swarm, or another of this project (dev)
      --users N      instead of the table's, for a quick look
      --data FILE    rows to send, as for npm run loadtest (rows that the model's description shows)
      --fresh        forget what was measured before
      --json         the report as JSON on standard output
      --out DIR      where the report goes
  -h, --help

The table (YAML):
  name: What it shows
  users: 10000            # each waits a second after each reply
  spawnRate: 500
  slo: p95<500ms,failures=0
  settle: 10s             # optional, as are steady and repeats
  runs:
    - {who: C, replicas: 1, cpus: 0.25, memory: 128MB, published: fails}

Exit status: 0 all that can run here was measured; 2 bad usage; 130 interrupted.`;

async function experiment(
  matrix: Matrix,
  flags: {
    stack: string;
    data: string | undefined;
    fresh: boolean;
    json: boolean;
    out: string | undefined;
  },
): Promise<number> {
  const { stack } = flags;
  const rows = flags.data === undefined ? null : readOwnRows(flags.data);
  const { plan, slo, repeats, runs } = matrix;
  const given = await machines(platformOf(stack));
  const question = JSON.stringify({ stack, plan, slo, repeats, ...rowsPart(rows) });
  const hash = createHash("sha256").update(question).digest("hex").slice(0, 8);
  const dir = join(
    capacityDir,
    `experiment-${basename(matrix.file).replace(/\.ya?ml$/, "")}-${hash}`,
  );
  const file = join(dir, "journal.jsonl");
  const release = holdStack(stack);
  const progress = new Progress();
  const interrupt = new AbortController();
  const onInterrupt = (): void => {
    if (interrupt.signal.aborted) process.exit(130);
    interrupt.abort();
    progress.say("stopping after this trial; once more stops at once");
  };
  process.on("SIGINT", onInterrupt).on("SIGTERM", onInterrupt);
  try {
    if (flags.fresh) Journal.setAside(file);
    const journal = Journal.open(file, question);
    const tooLarge = runs.flatMap(({ limits }) => {
      const why = notRunnable(limits, given);
      return why === undefined ? [] : [{ limits, why }];
    });
    for (const { why } of tooLarge) progress.say(`not runnable here: ${why}`);
    const todo = runs
      .filter(({ limits }) => notRunnable(limits, given) === undefined)
      .flatMap((run) => Array.from({ length: repeats }, () => run));
    progress.say(`${todo.length} trials of ${Math.round(loadTime(plan))} s of load`);
    const pulumi = await StackUnderTrial.open(stack);
    await tryLoad(stack, requestOf(plan, rows));
    const teller = new Teller(stack);
    const axes = {
      cpus: runs.map(({ limits }) => limits.cpus),
      memory: runs.map(({ limits }) => limits.memory),
      replicas: runs.map(({ limits }) => limits.replicas),
    };
    const tell = (now: Limits | null, ended = false): void => {
      const under = now === null ? null : { limits: now, purpose: "declared" };
      const stands = { best: null, declared: todo.length, ended };
      teller.tell(toldOf({ plan, slo, axes }, journal.state.trials, under, stands));
    };
    try {
      // Each row takes from what was measured before as many trials as it needs.
      const measured = journal.state.trials.map(({ limits }) => limitsKey(limits));
      for (const [i, { limits }] of todo.entries()) {
        const at = measured.indexOf(limitsKey(limits));
        if (at >= 0) {
          measured.splice(at, 1);
          continue;
        }
        if (interrupt.signal.aborted) break;
        progress.begin(i + 1, limits, "declared");
        tell(limits);
        journal.append({ type: "begin", limits, at: Date.now() / 1000 });
        const trial = await runTrial(pulumi, limits, "declared", {
          plan,
          rows,
          slo: parseSlo(slo),
          progress: (tick) => {
            progress.tick(tick);
          },
        });
        journal.append({ type: "trial", trial });
        progress.trial(trial);
        tell(null);
      }
    } finally {
      await putBack(pulumi, stack, progress);
      tell(null, true);
      await teller.told();
    }
    const data: ReportData = {
      title: matrix.name,
      stack,
      plan,
      slo,
      prices: defaultPrices,
      trials: journal.state.trials,
      certificate: null,
      ending: interrupt.signal.aborted
        ? "It was interrupted; the same command goes on from here."
        : "",
      notRunnable: tooLarge,
      declared: runs.map(({ limits, who, published }) => ({ limits, who, published })),
      machine: machineText(given),
    };
    const files = writeReport(flags.out === undefined ? dir : resolve(flags.out), data);
    console.log(flags.json ? JSON.stringify(data, null, 2) : markdown(data));
    progress.say(files.join("\n"));
    return interrupt.signal.aborted ? 130 : 0;
  } finally {
    release();
  }
}

async function main(args: string[]): Promise<number> {
  let parsed;
  try {
    parsed = readCommand("experiment", {
      args,
      allowPositionals: true,
      options: {
        stack: { type: "string", short: "s" },
        users: { type: "string", short: "u" },
        data: { type: "string" },
        fresh: { type: "boolean" },
        json: { type: "boolean" },
        out: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    });
  } catch (error) {
    throw new UserError((error as Error).message);
  }
  const { values, positionals } = parsed;
  if (values.help === true) {
    console.log(help);
    return 0;
  }
  const [file] = positionals;
  if (file === undefined || positionals.length > 1) {
    throw new UserError(
      "give one table, such as docs/experiments/one-replica.yaml. --help shows what is in it.",
    );
  }
  return experiment(readMatrix(file, values.users), {
    stack: values.stack ?? "dev",
    data: values.data,
    fresh: values.fresh === true,
    json: values.json === true,
    out: values.out,
  });
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  // The load test has an error of its own for what a person got wrong.
  if ((error as Error).name !== UserError.name) throw error;
  console.error(`error: ${(error as Error).message}`);
  process.exitCode = 2;
}
