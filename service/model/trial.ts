import { fork } from "node:child_process";
import { writeFileSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { readUnreclaimable, type Limits } from "../limits.ts";
import { descriptionSize } from "../contract/description.ts";
import { loadModel, type LoadOptions } from "./model.ts";
import { reasonOf } from "./registry-error.ts";

/** Set for a process that only tries a model: its path. */
const TRIAL = "INFERENCE_TRIAL";

type Outcome = { readonly bytes: number } | { readonly refusal: string };

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
  const tell = (outcome: Outcome): void => {
    process.send?.(outcome, () => process.exit(0));
  };
  try {
    loadModel(path, {}, options);
    tell({ bytes: process.resourceUsage().maxRSS * 1024 - before });
  } catch (error) {
    tell({ refusal: reasonOf(error) });
  }
}

/**
 * Finds out whether so many processes can each load the model in `folder` beside what they hold
 * already. A small one is not asked; a larger one is tried in a process of its own.
 * Throws Error with the reason when it does not load or there is not enough memory.
 */
export async function checkFits(
  folder: string,
  { memoryBytes }: Limits,
  processes: number,
): Promise<void> {
  const inUse = readUnreclaimable();
  if (memoryBytes === undefined || inUse === undefined) return;
  const left = Math.max(0, memoryBytes - inUse - RESERVE_BYTES);
  const most =
    (await sizeOf(folder)) * MOST_PER_BYTE + descriptionSize(folder) * MOST_PER_DESCRIBED_BYTE;
  if (most * processes <= left) return;
  const outcome = await trial(folder);
  const limit = `of the limit of ${Math.round(memoryBytes / MB)} MB, ${Math.round(left / MB)} MB are left`;
  if (outcome === undefined) {
    throw new Error(
      `the model does not fit into memory: ${limit}, and a trial of it ran out of them`,
    );
  }
  if ("refusal" in outcome) throw new Error(outcome.refusal);
  const needed = outcome.bytes * processes;
  if (needed > left) {
    throw new Error(
      `the model does not fit into memory: it needs ${Math.ceil(needed / MB)} MB beside what serves, and ${limit}`,
    );
  }
}

/**
 * Loads the model in `folder` once, in a process of its own that is gone afterwards.
 * Throws Error with the reason when it does not load.
 */
export async function tryOut(folder: string): Promise<void> {
  const outcome = await trial(folder);
  if (outcome === undefined) throw new Error("a trial of it ran out of memory or of time");
  if ("refusal" in outcome) throw new Error(outcome.refusal);
}

/** Undefined when the kernel ended it, or it took too long. */
const trial = (path: string): Promise<Outcome | undefined> =>
  new Promise((resolve, reject) => {
    const child = fork(process.argv[1] ?? "", process.argv.slice(2), {
      env: { ...process.env, [TRIAL]: path },
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), TRIAL_MS);
    let outcome: Outcome | undefined;
    child.once("message", (message: Outcome) => {
      outcome = message;
    });
    child.once("error", reject);
    child.once("exit", () => {
      clearTimeout(timer);
      resolve(outcome);
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
