// What every benchmark needs: processes' CPU time, medians, figures that can be read.
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
