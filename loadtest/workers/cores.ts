// How many cores this process was given: by its affinity, and by a cgroup's quota.
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return undefined;
  }
}

/** Cores a cgroup's quota allows; undefined without a quota. */
function quota(): number | undefined {
  const [max, period] = (read("/sys/fs/cgroup/cpu.max") ?? "").split(" ").map(Number);
  if (max !== undefined && period !== undefined && max > 0 && period > 0) return max / period;
  const v1 = Number(read("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") ?? NaN);
  const v1Period = Number(read("/sys/fs/cgroup/cpu/cpu.cfs_period_us") ?? NaN);
  return v1 > 0 && v1Period > 0 ? v1 / v1Period : undefined;
}

/** Whole cores, at least one. */
export const givenCores = (): number =>
  Math.max(1, Math.min(availableParallelism(), Math.floor(quota() ?? Infinity)));
