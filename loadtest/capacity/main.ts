// `npm run capacity`: what does it take to serve so many users, with proof.
import { createHash } from "node:crypto";
import { resolve, join } from "node:path";
import { UserError } from "../../infra/errors.ts";
import { hint } from "../../infra/hint.ts";
import { readOwnRows } from "../scenario/rows.ts";
import { campaign, type Ending } from "./campaign.ts";
import { certify } from "./certificate.ts";
import { tryLoad } from "./drive-load.ts";
import { Journal } from "./journal.ts";
import { machines, machineText, notRunnable } from "./machine.ts";
import { loadTime } from "./plan.ts";
import { parseCapacityFlags, questionText, type CapacityFlags } from "./question.ts";
import type { ReportData } from "./report/data.ts";
import { summary } from "./report/markdown.ts";
import { writeReport } from "./report/write.ts";
import { configurations, mostTrials, type SearchOptions } from "./search.ts";
import { capacityDir, holdStack, Progress, putBack } from "./session.ts";
import { parseSlo } from "./slo.ts";
import { combinations, limitsText, type Limits } from "./space.ts";
import { platformOf, StackUnderTrial } from "./stack-under-trial.ts";
import { bestOf, Teller, toldOf } from "./tell.ts";
import { requestOf, runTrial } from "./trial.ts";

const help = `Usage: npm run capacity -- --users 10000 --slo 'p95<500ms,failures=0'

Finds the cheapest limits of the service that serve so many users within the objectives. Each trial is
a real update of the stack and a real load. The stack's settings are not changed; at the end it
is brought back to them. Stopped or killed, the same command goes on where it was.

  -u, --users N            users, each waits a second after each reply (1000)
  -r, --spawn-rate N       new users a second (all within 20 s)
      --slo LIST           objectives (p95<500ms,failures=0): pN, mean, max, failures, rps
      --data FILE          rows to send, as for npm run loadtest (rows that the model's description shows)
      --cpus LIST          cores of one replica (0.1,0.15,0.2,0.25,0.5,1)
      --memory LIST        of one replica (80MB,96MB,128MB,192MB,256MB)
      --replicas LIST      (1,2,3)
      --budget TIME        for all trials together, such as 30m (none)
      --trials N           the most trials (a third of all combinations, 12 at least)
      --repeats N          passes in a row that prove the answer (3)
      --settle TIME        after all users are there, before latencies count (10s)
      --steady TIME        what latencies are taken from (30s)
      --cpu-price, --gb-price N   an hour (0.04 and 0.0045)
  -s, --stack NAME         dev or swarm, or another of this project (dev)
      --apply              write the answer into the stack's settings, and show the preview
      --fresh              forget what an earlier search of the same question found
      --json               the report as JSON on standard output
      --out DIR            where report.md, report.json and report.html go
  -h, --help

Exit status: 0 proven; 1 nothing was proven to hold; 2 bad usage; 98 the trials were void: something
else was the limit; 130 interrupted.`;

const endings: Record<Ending, string> = {
  done: "",
  void: "It ended because trials in a row were void: something else than the service was the limit.",
  interrupted: "It was interrupted; the same command goes on from here.",
};

async function search(flags: CapacityFlags): Promise<number> {
  const { stack, axes, plan, prices, repeats } = flags;
  const slo = parseSlo(flags.slo);
  const given = await machines(platformOf(stack));
  const options: SearchOptions = {
    axes,
    prices,
    repeats,
    runnable: (limits) => notRunnable(limits, given) === undefined,
    ...(flags.trials === null ? {} : { trials: flags.trials }),
  };
  const tooLarge = combinations(axes).flatMap((limits) => {
    const why = notRunnable(limits, given);
    return why === undefined ? [] : [{ limits, why }];
  });
  if (configurations(options).length === 0) {
    throw new UserError(`none of these configurations can run here. ${tooLarge[0]?.why ?? ""}.`);
  }
  const rows = flags.data === null ? null : readOwnRows(flags.data);
  const question = questionText(flags, rows);
  const id = `${stack}-${plan.users}-${createHash("sha256").update(question).digest("hex").slice(0, 8)}`;
  const dir = join(capacityDir, id);
  const file = join(dir, "journal.jsonl");
  const release = holdStack(stack);
  const progress = new Progress();
  const interrupt = new AbortController();
  const onInterrupt = (): void => {
    if (interrupt.signal.aborted) process.exit(130);
    progress.say("stopping after this trial; once more stops at once");
    interrupt.abort();
  };
  process.on("SIGINT", onInterrupt).on("SIGTERM", onInterrupt);
  try {
    if (flags.fresh) Journal.setAside(file);
    const journal = Journal.open(file, question);
    const before = journal.state;
    if (before.trials.length > 0) {
      const cut = before.cutShort > 0 ? "; the one that was cut short is made again" : "";
      progress.say(
        `going on with ${before.trials.length} trials made before${cut} (--fresh forgets them)`,
      );
    }
    progress.say(
      `${configurations(options).length} configurations, at most ${mostTrials(options)} trials of ${Math.round(loadTime(plan))} s of load` +
        (tooLarge.length > 0 ? `; ${tooLarge.length} more are too large for this machine` : ""),
    );
    const pulumi = await StackUnderTrial.open(stack);
    await tryLoad(stack, requestOf(plan, rows));
    const teller = new Teller(stack);
    const tell = (now: { limits: Limits; purpose: string } | null, ended = false): void => {
      const { trials } = journal.state;
      const best = bestOf(options, trials);
      teller.tell(toldOf(flags, trials, now, { best, declared: null, ended }));
    };
    let ending: Ending;
    try {
      ending = await campaign({
        search: options,
        journal,
        budget: flags.budget,
        signal: interrupt.signal,
        trial: (limits, purpose) =>
          runTrial(pulumi, limits, purpose, {
            plan,
            rows,
            slo,
            progress: (tick) => {
              progress.tick(tick);
            },
          }),
        heard: (what) => {
          tell(what.type === "begin" ? what : null);
          if (what.type === "begin") progress.begin(what.n, what.limits, what.purpose);
          else progress.trial(what.trial);
        },
      });
    } finally {
      await putBack(pulumi, stack, progress);
      tell(null, true);
      await teller.told();
    }
    const { trials } = journal.state;
    const certificate = certify(options, trials) ?? null;
    const data: ReportData = {
      title: `What ${plan.users} users take`,
      stack,
      plan,
      slo: flags.slo,
      prices,
      trials,
      certificate,
      ending: endings[ending],
      notRunnable: tooLarge,
      declared: [],
      machine: machineText(given),
    };
    const files = writeReport(flags.out === null ? dir : resolve(flags.out), data);
    if (flags.json) console.log(JSON.stringify(data, null, 2));
    else console.log(summary(data).join("\n").replaceAll("**", ""));
    progress.say(files.join("\n"));
    if (ending === "interrupted") return 130;
    if (certificate === null) return ending === "void" ? 98 : 1;
    if (flags.apply) {
      pulumi.apply(certificate.winner);
      progress.say(
        `${limitsText(certificate.winner)} is now in Pulumi.${stack}.yaml; ${hint.up(stack)} would do this:`,
      );
      progress.say(await pulumi.preview());
    }
    return 0;
  } finally {
    release();
  }
}

try {
  const flags = parseCapacityFlags(process.argv.slice(2));
  if (flags.help) console.log(help);
  else process.exitCode = await search(flags);
} catch (error) {
  const known = error instanceof UserError || (error as Error).name === "UserError";
  if (!known) throw error;
  console.error(`error: ${(error as Error).message}`);
  process.exitCode = 2;
}
