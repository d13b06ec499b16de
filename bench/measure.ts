// What every benchmark needs: processes' CPU time, medians, figures that can be read.
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

/** CPU time of all threads of a process so far, in seconds. */
export const cpuSeconds = (pid: number): number =>
  readdirSync(`/proc/${pid}/task`)
    .map((task) =>
      Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")[0]),
    )
    .reduce((sum, nanoseconds) => sum + nanoseconds / 1e9, 0);

export const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;

export const thousands = (value: number): string => Math.round(value).toLocaleString("en");

/** Flags that are to be whole numbers above 0. Throws Error naming all of them when one is not. */
export function wholeNumbers<K extends string>(
  given: Readonly<Record<K, string>>,
): Record<K, number> {
  const entries = Object.entries<string>(given).map(
    ([name, text]) => [name, Number(text)] as const,
  );
  if (!entries.every(([, value]) => Number.isInteger(value) && value > 0)) {
    const names = entries.map(([name]) => `--${name}`);
    const last = names.pop() ?? "";
    throw new Error(`${names.join(", ")} and ${last} must be whole numbers above 0.`);
  }
  return Object.fromEntries(entries) as Record<K, number>;
}

/** Throws Error with what to do when wrk is not there. */
export function needWrk(): void {
  try {
    execFileSync("which", ["wrk"]);
  } catch {
    throw new Error("wrk is not installed: apt-get install wrk.");
  }
}
