// What searches and experiments share: one of them at a time on a stack, its lines on the terminal,
// and the stack put back at the end.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../infra/errors.ts";
import { hint } from "../../infra/hint.ts";
import { stateDir } from "../../toolchain/clone.mjs";
import type { Tick } from "../events.ts";
import type { TrialRecord } from "./record.ts";
import { verdictText } from "./report/markdown.ts";
import { limitsText, type Limits } from "./space.ts";
import type { StackUnderTrial } from "./stack-under-trial.ts";

export const capacityDir = join(stateDir, "capacity");

/** @throws UserError while another one runs; a dead one's lock is taken over. */
export function holdStack(stack: string): () => void {
  const file = join(capacityDir, `${stack}.lock`);
  mkdirSync(capacityDir, { recursive: true });
  for (;;) {
    try {
      writeFileSync(file, String(process.pid), { flag: "wx" });
      return () => {
        rmSync(file, { force: true });
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      const holder = Number(readFileSync(file, "utf8"));
      if (isSearch(holder)) {
        throw new UserError(
          `process ${holder} already loads the stack ${stack} with trials. Wait for it, or stop it.`,
        );
      }
      rmSync(file, { force: true });
    }
  }
}

function isSearch(pid: number): boolean {
  try {
    return /capacity/.test(readFileSync(`/proc/${pid}/cmdline`, "utf8"));
  } catch {
    return false;
  }
}

/** Progress on standard error: one line that is rewritten on a terminal, whole lines elsewhere. */
export class Progress {
  readonly #live = process.stderr.isTTY;
  #what = "";

  begin(n: number, limits: Limits, purpose: string): void {
    this.#what = `${n}. ${limitsText(limits)} (${purpose})`;
    this.#rewrite("bringing it up");
  }

  tick({ users, total, state }: Tick): void {
    this.#rewrite(
      `${state}, ${users} users, ${Math.round(total.rps)}/s, p95 ${Math.round(total.p95)} ms, ${total.failures} failed`,
    );
  }

  trial(trial: TrialRecord): void {
    this.#clear();
    console.error(
      `${this.#what}: ${trial.verdict} after ${trial.took.up.toFixed(0)}+${trial.took.load.toFixed(0)} s: ${verdictText(trial)}`,
    );
  }

  say(text: string): void {
    this.#clear();
    console.error(text);
  }

  #rewrite(text: string): void {
    if (!this.#live) return;
    this.#clear();
    process.stderr.write(`${this.#what}: ${text}`.slice(0, process.stderr.columns));
  }

  #clear(): void {
    if (this.#live) process.stderr.write("\r\u001b[2K");
  }
}

/** The stack as its settings say, whatever happened; a failure is told, not thrown. */
export async function putBack(
  pulumi: StackUnderTrial,
  stack: string,
  progress: Progress,
): Promise<void> {
  progress.say(`bringing the stack ${stack} back to its own limits`);
  try {
    await pulumi.restore();
  } catch (error) {
    progress.say(`error: it did not come up: ${(error as Error).message}. Run ${hint.up(stack)}.`);
  }
}
