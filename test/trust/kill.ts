// `npm run trust -- kill`: an `up` killed at many moments, one after another, on a stack of its own.
import { execFileSync } from "node:child_process";
import { type Clone, freshClone, onFreePorts } from "../clone.ts";
import { killMarked } from "./marked.ts";
import { killedUp, type Outcome } from "./killed-up.ts";
import { changeOf, moments } from "./moments.ts";

export interface Campaign {
  readonly seed: number;
  /** How long an `up` took that nothing was done to. */
  readonly undisturbedMs: number;
  readonly outcomes: readonly Outcome[];
}

/** A stack from nothing in a clone of its own, on free ports, written into its committed settings. */
export async function freshStack(
  name: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<{ clone: Clone; apiUrl: string }> {
  const clone = freshClone(name);
  const apiUrl = await onFreePorts(clone);
  const identity = ["-c", "user.name=test", "-c", "user.email=test@localhost"];
  execFileSync("git", [...identity, "commit", "-qam", "ports"], { cwd: clone.dir });
  await must(clone.run("npm", ["run", "setup", "--", "--yes"]));
  for (const [key, value] of Object.entries(settings)) {
    await must(clone.pulumi("config", "set", key, "-s", "dev", "--", value));
  }
  await must(clone.pulumi("up", "--yes", "--skip-preview", "-s", "dev"));
  return { clone, apiUrl };
}

async function must(result: ReturnType<Clone["run"]>): Promise<void> {
  const { code, output } = await result;
  if (code !== 0) throw new Error(output);
}

/** How long the update of round 0 takes, undisturbed, in ms. */
async function measure(clone: Clone): Promise<number> {
  const { key, value } = changeOf(0);
  await must(clone.pulumi("config", "set", key, "-s", "dev", "--", value));
  const since = performance.now();
  await must(clone.pulumi("up", "--yes", "--skip-preview", "-s", "dev"));
  return performance.now() - since;
}

/**
 * @param tell hears how it goes, a line at a time
 * @throws Error with the command's output where the stack cannot be made, or stays wrong after another `up`
 */
export async function kill(
  seed: number,
  count: number,
  tell: (line: string) => void,
): Promise<Campaign> {
  tell("bringing up a stack of its own …");
  const { clone, apiUrl } = await freshStack("trust");
  const interrupted = () => {
    killMarked();
    clone.remove();
    process.exit(130);
  };
  process.once("SIGINT", interrupted).once("SIGTERM", interrupted);
  try {
    const undisturbedMs = await measure(clone);
    tell(`an undisturbed up takes ${(undisturbedMs / 1000).toFixed(1)} s`);
    const outcomes: Outcome[] = [];
    let takesMs = undisturbedMs;
    let round = 1;
    for (const share of moments(seed, count)) {
      let outcome: Outcome | undefined;
      // One that was done before its moment came says how long such an update takes.
      while (outcome === undefined) {
        const atMs = share * takesMs;
        const one = await killedUp(clone, apiUrl, changeOf(round), ({ after }) => after(atMs));
        round += 1;
        if ("endedAfterMs" in one) takesMs = one.endedAfterMs;
        else outcome = one;
      }
      // The machine may have become slower since: the `up` after it had all to do, or nearly.
      takesMs = Math.max(outcome.convergedSeconds * 1000, undisturbedMs);
      outcomes.push(outcome);
      tell(`${outcomes.length} of ${count}: ${inLine(outcome)}`);
      if (outcome.wrong.length > 0) {
        await must(clone.pulumi("up", "--yes", "--skip-preview", "-s", "dev"));
      }
    }
    return { seed, undisturbedMs, outcomes };
  } finally {
    clone.remove();
  }
}

/** An outcome as its progress is told. Pure. */
export function inLine(outcome: Outcome): string {
  const { killedAtMs, doing, failures, sent, convergedSeconds, wrong } = outcome;
  const [first] = failures;
  return [
    `killed after ${(killedAtMs / 1000).toFixed(1)} s at "${doing}"`,
    `${failures.length} of ${sent} requests lost${first === undefined ? "" : ` (${first})`}`,
    wrong.length === 0
      ? `converged in ${convergedSeconds.toFixed(1)} s`
      : `did NOT converge: ${wrong.join(", ")}`,
  ].join("; ");
}
