// One `up` that is killed while requests come in, and what the next one makes of it.
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { presentOn } from "../../toolchain/launcher/inventory.mjs";
import { lost } from "../../toolchain/launcher/plan.mjs";
import { type Clone, dockerLines, type Result } from "../clone.ts";
import { constantTraffic, predict } from "../traffic.ts";
import { killMarked, mark } from "./marked.ts";
import type { Change } from "./moments.ts";
import { lastSaid, recoveries } from "./said.ts";

const up = ["up", "--yes", "--skip-preview", "-s", "dev"];

/** What of a moment in an update's life can be waited for. */
export interface Going {
  /** Until a line of it matches. */
  readonly said: (pattern: RegExp) => Promise<void>;
  readonly after: (ms: number) => Promise<void>;
}

interface Killed {
  readonly atMs: number;
  readonly processes: number;
  readonly output: string;
}

export interface Outcome {
  readonly change: Change;
  /** Since the killed `up` was started. */
  readonly killedAtMs: number;
  readonly processes: number;
  /** The last thing that the killed one said. */
  readonly doing: string;
  readonly sent: number;
  readonly failures: readonly string[];
  readonly slowestMs: number;
  /** What the next `up` said that it had to put right first. */
  readonly recovered: readonly string[];
  readonly convergedSeconds: number;
  /** What is wrong after it, a sentence each; empty where it converged. */
  readonly wrong: readonly string[];
}

/** Starts `up` and kills all of it at a moment, unless it has ended by itself before. */
async function killUp(
  clone: Clone,
  moment: (going: Going) => Promise<unknown>,
): Promise<Killed | { readonly endedAfterMs: number }> {
  const since = performance.now();
  const child = clone.start(
    join(clone.dir, "node_modules", ".bin", "pulumi"),
    ["--non-interactive", ...up],
    mark,
  );
  let output = "";
  const listeners = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      for (const listener of listeners) listener();
    });
  }
  const closed = new Promise<"ended">((resolve) =>
    child.once("close", () => {
      resolve("ended");
    }),
  );
  const going: Going = {
    said: (pattern) =>
      new Promise((resolve) =>
        listeners.add(() => {
          if (pattern.test(output)) resolve();
        }),
      ),
    after: async (ms) => {
      await sleep(Math.max(0, ms - (performance.now() - since)));
    },
  };
  const first = await Promise.race([closed, moment(going)]);
  const atMs = performance.now() - since;
  if (first === "ended") return { endedAfterMs: atMs };
  const processes = killMarked();
  // Whoever still held its pipes would be alive.
  await closed;
  return { atMs, processes, output };
}

/** What the engine has and no state records, and the other way round: a name each. */
function differences(clone: Clone): string[] {
  const state = clone.state("dev");
  const recorded = new Set(state?.filter((one) => !("delete" in one)).map(({ id }) => id));
  const mine = ["--filter", `label=inference-stack.clone=${clone.id}`];
  const found = [
    ...dockerLines("ps", "-a", "--no-trunc", ...mine, "--format", "{{.ID}} container {{.Names}}"),
    ...dockerLines(
      ...["network", "ls", "--no-trunc", ...mine],
      ...["--format", "{{.ID}} network {{.Name}}"],
    ),
    ...dockerLines("volume", "ls", ...mine, "--format", "{{.Name}} volume {{.Name}}"),
  ].map((line) => line.split(" "));
  return [
    ...found
      .filter(([id]) => !recorded.has(id))
      .map(([, kind = "", name = ""]) => `the ${kind} ${name} is left over`),
    ...lost(state, presentOn(false)).map(({ kind, name }) => `the ${kind} ${name} is missing`),
  ];
}

/** Why the stack is not what is declared, after its `up`; empty where it is. */
async function wrongWith(
  clone: Clone,
  apiUrl: string,
  { code, output }: Result,
): Promise<string[]> {
  const preview = await clone.pulumi("preview", "--expect-no-changes", "-s", "dev");
  const answer = await predict(apiUrl).catch((error: unknown) => ({
    status: 0,
    body: String(error),
  }));
  return [
    ...(code === 0 ? [] : [`up ended with ${code}`]),
    ...(/^ *warning: /m.test(output) ? ["up ended with a warning"] : []),
    ...(preview.code === 0 ? [] : ["a preview has changes"]),
    ...(answer.status === 200 ? [] : [`predict answered ${answer.status} ${answer.body}`]),
    ...differences(clone),
  ];
}

/**
 * Changes a stack under constant traffic with an `up` that is killed and a second one that is not.
 *
 * @returns only how long the first took where it ended before its moment
 */
export async function killedUp(
  clone: Clone,
  apiUrl: string,
  change: Change,
  moment: (going: Going) => Promise<unknown>,
): Promise<Outcome | { readonly endedAfterMs: number }> {
  const { code, output } = await clone.pulumi(
    ...["config", "set", change.key, "-s", "dev", "--", change.value],
  );
  if (code !== 0) throw new Error(output);
  const traffic = constantTraffic(apiUrl);
  try {
    const killed = await killUp(clone, moment);
    if ("endedAfterMs" in killed) return killed;
    // What the engine was told last takes effect.
    await sleep(1000);
    const since = performance.now();
    const next = await clone.pulumi(...up);
    const convergedSeconds = (performance.now() - since) / 1000;
    const wrong = await wrongWith(clone, apiUrl, next);
    return {
      change,
      killedAtMs: killed.atMs,
      processes: killed.processes,
      doing: lastSaid(killed.output),
      recovered: recoveries(next.output),
      convergedSeconds,
      wrong,
      ...(await traffic.stop()),
    };
  } finally {
    await traffic.stop();
  }
}
