import { fork, type ChildProcess } from "node:child_process";
import { writeFileSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { readUnreclaimable, readUsage, type Limits, type Usage } from "../limits.ts";
import { descriptionSize } from "../contract/description.ts";
import { errorOf, failureOf, ModelError, type Failure } from "./fault.ts";
import { loadModel, type LoadOptions } from "./model.ts";

/** Set for a process that only tries a model: its path. */
const TRIAL = "INFERENCE_TRIAL";

/** What a trial says: that it has got to the model, and then what came of it. */
type Outcome = { readonly bytes: number } | Failure;
type Report = "loading" | Outcome;

const MB = 1024 * 1024;
/** Models take up to so many times their files' size, trees the most. */
const MOST_PER_BYTE = 16;
/** And descriptions so many times their text's. */
const MOST_PER_DESCRIBED_BYTE = 500;
/** For the pages of programs and libraries: without them everything is read from disk all the time. */
const RESERVE_BYTES = 24 * MB;
const TRIAL_MS = 300_000;

/** The model that this process is to try, if that is what it is for. */
export const modelOnTrial = (): string | undefined => process.env[TRIAL];

/** Loads a model and tells the parent what memory that took. */
export function tryModel(path: string, options: LoadOptions): void {
  // Where memory runs out, the kernel ends this process and not the one that serves.
  writeFileSync("/proc/self/oom_score_adj", "1000");
  const before = process.memoryUsage.rss();
  const tell = (report: Report, then: () => void): void => {
    process.send?.(report, then);
  };
  const end = (): never => process.exit(0);
  tell("loading", () => undefined);
  try {
    loadModel(path, {}, options);
    tell({ bytes: process.resourceUsage().maxRSS * 1024 - before }, end);
  } catch (error) {
    tell(failureOf(error), end);
  }
}

/** ms in which a trial runs once and rests once, where another model is served meanwhile. */
const TURN_MS = 40;

/**
 * The part of a turn that a trial runs: half of the CPU time that the control group has, so that what
 * serves is not held up by a quota that the trial has used. Pure.
 */
export const trialShare = (cpus: number | undefined): number => Math.min(0.5, (cpus ?? 1) / 2);

/** Has a process run `share` of the time; the function that is returned ends that. */
function slowDown(child: ChildProcess, share: number): () => void {
  let timer: NodeJS.Timeout | undefined;
  const rest = (): void => {
    child.kill("SIGSTOP");
    timer = setTimeout(go, TURN_MS * (1 - share));
  };
  const go = (): void => {
    child.kill("SIGCONT");
    timer = setTimeout(rest, TURN_MS * share);
  };
  go();
  return () => {
    clearTimeout(timer);
  };
}

/**
 * Finds out whether so many processes can each load the model in `folder` beside what they hold
 * already. A small one is not asked; a larger one is tried in a process of its own, slowly where these
 * `serve` another meanwhile.
 * Throws ModelError with the reason when it does not load or there is not enough memory, and Error
 * when the trial of it failed in passing.
 */
export async function checkFits(
  folder: string,
  { memoryBytes, cpus }: Limits,
  processes: number,
  serve = false,
): Promise<void> {
  const inUse = readUnreclaimable();
  if (memoryBytes === undefined || inUse === undefined) return;
  const left = Math.max(0, memoryBytes - inUse - RESERVE_BYTES);
  const most =
    (await sizeOf(folder)) * MOST_PER_BYTE + descriptionSize(folder) * MOST_PER_DESCRIBED_BYTE;
  if (most * processes <= left) return;
  const limit = `of the limit of ${Math.round(memoryBytes / MB)} MB, ${Math.round(left / MB)} MB are left`;
  const want = `: ${limit}, and a trial of it ran out of them`;
  // With half of the CPU time it takes twice as long.
  const slowly = { share: trialShare(cpus), longestMs: 2 * TRIAL_MS };
  const outcome = await trial(folder, want, serve ? slowly : {});
  const needed = outcome.bytes * processes;
  if (needed > left) {
    throw new ModelError(
      `the model does not fit into memory: it needs ${Math.ceil(needed / MB)} MB beside what serves, and ${limit}`,
    );
  }
}

/**
 * Loads the model in `folder` once, in a process of its own that is gone afterwards and runs a `share`
 * of the time.
 * Throws ModelError with the reason when it does not load, and Error when that failed in passing.
 */
export async function tryOut(folder: string, longestMs = TRIAL_MS, share = 1): Promise<void> {
  await trial(folder, ": a trial of it ran out of memory", { longestMs, share });
}

/** How a trial ended that told nothing of what came of the model. */
export interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Whether it had got to the model. */
  readonly loading: boolean;
  /** Whether it was ended because it took too long. */
  readonly late: boolean;
  /** What it wrote to its standard error last. */
  readonly stderr: string;
}

/** Those that a process gets for what it does itself. */
const CRASHES: readonly (string | null)[] = [
  ..."SIGSEGV SIGABRT SIGBUS SIGILL SIGFPE SIGTRAP SIGSYS".split(" "),
];

/** Whether the kernel ended a process for want of memory, by what befell the group meanwhile. Pure. */
export function ranOut({ signal }: Pick<End, "signal">, before: Usage, after: Usage): boolean {
  const rose = (key: "memoryKills" | "memoryHits"): boolean =>
    (after[key] ?? 0) > (before[key] ?? 0);
  if (signal !== "SIGKILL") return false;
  // Pages of files alone make a group meet its limit: that only counts where kills are not.
  return after.memoryKills === undefined ? rose("memoryHits") : rose("memoryKills");
}

/** What a trial's end says of the model, where memory was not it. Pure. */
export function failureIn(
  { code, signal, loading, late, stderr }: End,
  longestMs: number,
): Failure {
  if (late)
    return { reason: `a trial of it took longer than ${longestMs / 1000} s`, fault: loading };
  const said = lastWords(stderr);
  const how = signal === null ? `exit code ${code ?? "none"}` : signal;
  const reason = `a trial of it ended by ${how}${said === "" ? "" : `: ${said}`}`;
  // Whoever else sends signals says nothing about the model, and no more does an end without a reason.
  return { reason, fault: loading && (signal === null ? code !== 0 : CRASHES.includes(signal)) };
}

const MOST_STDERR = 8192;
const MOST_WORDS = 300;

/** The last lines of what a process wrote that people can read, as one. Pure. */
const lastWords = (stderr: string): string =>
  stderr
    .split("\n")
    .filter((line) => !/^\s*(?:at |\d+: 0x|-{3,}|Node\.js v|$)/.test(line))
    .slice(-3)
    .join(" ")
    // eslint-disable-next-line no-control-regex -- control characters are what is looked for
    .replaceAll(/[\u0000-\u001f\u007f-\u009f\s]+/g, " ")
    .trim()
    .slice(-MOST_WORDS);

/** What a trial of the model found. Throws as `tryOut` does; `want` says how memory ran out. */
async function trial(
  path: string,
  want: string,
  { longestMs = TRIAL_MS, share = 1 }: { readonly longestMs?: number; readonly share?: number },
): Promise<{ readonly bytes: number }> {
  const before = readUsage();
  const { outcome, end } = await run(path, longestMs, share);
  if (outcome && "bytes" in outcome) return outcome;
  if (outcome) throw errorOf(outcome);
  if (!end.late && ranOut(end, before, readUsage()))
    throw new ModelError(`the model does not fit into memory${want}`);
  throw errorOf(failureIn(end, longestMs));
}

const run = (
  path: string,
  longestMs: number,
  share: number,
): Promise<{ readonly outcome: Outcome | undefined; readonly end: End }> =>
  new Promise((resolve, reject) => {
    const child = fork(process.argv[1] ?? "", process.argv.slice(2), {
      env: { ...process.env, [TRIAL]: path },
      stdio: ["ignore", "inherit", "pipe", "ipc"],
    });
    const letRun = share < 1 ? slowDown(child, share) : () => undefined;
    let outcome: Outcome | undefined;
    let loading = false;
    let late = false;
    let stderr = "";
    const timer = setTimeout(() => {
      late = true;
      letRun();
      child.kill("SIGKILL");
    }, longestMs);
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      stderr = (stderr + text).slice(-MOST_STDERR);
    });
    child.on("message", (report: Report) => {
      if (report === "loading") loading = true;
      else outcome = report;
    });
    child.once("error", (error) => {
      clearTimeout(timer);
      letRun();
      reject(error);
    });
    child.once("close", (code, signal) => {
      clearTimeout(timer);
      letRun();
      resolve({ outcome, end: { code, signal, loading, late, stderr } });
    });
  });

async function sizeOf(folder: string): Promise<number> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(
    files.map(async ({ parentPath, name }) => (await stat(join(parentPath, name))).size),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}
