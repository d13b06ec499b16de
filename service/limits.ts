import { readFileSync } from "node:fs";

/** What a cgroup (version 1 or 2) allows this process; undefined where there is no limit. */
export interface Limits {
  /** Cores' worth of CPU time, such as 0.25. */
  readonly cpus: number | undefined;
  readonly memoryBytes: number | undefined;
}

/** How often and how long the CPU quota held this process up. */
export interface Throttling {
  readonly periods: number;
  readonly throttledPeriods: number;
  readonly throttledSeconds: number;
}

/** What the group uses, and what befell it for want of memory; undefined where the kernel does not say. */
export interface Usage {
  readonly cpuSeconds: number | undefined;
  /** Without pages of files that can be dropped. */
  readonly memoryBytes: number | undefined;
  /** How often it met its memory limit. */
  readonly memoryHits: number | undefined;
  /** Processes that the kernel killed for want of memory. */
  readonly memoryKills: number | undefined;
}

/** A file's content, or undefined when it cannot be read. */
export type ReadFile = (path: string) => string | undefined;

const readFile: ReadFile = (path) => {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return undefined;
  }
};

const ROOT = "/sys/fs/cgroup";

/** Folders that may hold a controller's files: this process's own group, then what is mounted as the root. */
function folders(controller: string, read: ReadFile): string[] {
  const lines = (read("/proc/self/cgroup") ?? "").split("\n").map((line) => line.split(":"));
  const own = (name: string): string =>
    lines.find(([, names]) => names?.split(",").includes(name))?.[2] ?? "";
  return [
    `${ROOT}${own("")}`,
    ROOT,
    `${ROOT}/${controller}${own(controller)}`,
    `${ROOT}/${controller}`,
  ].map((path) => path.replace(/\/$/, ""));
}

const firstOf = (controller: string, file: string, read: ReadFile): string | undefined =>
  folders(controller, read)
    .map((folder) => read(`${folder}/${file}`))
    .find((content) => content !== undefined);

/** A number of bytes; version 1 writes "no limit" as one beyond any machine. */
const bytes = (text: string | undefined): number | undefined => {
  const value = Number(text);
  return text !== undefined && value > 0 && value < 2 ** 60 ? value : undefined;
};

function quota(read: ReadFile): number | undefined {
  const [max, maxPeriod] = (firstOf("cpu", "cpu.max", read) ?? "").split(" ");
  const v1 = Number(firstOf("cpu", "cpu.cfs_quota_us", read));
  const allowed = max ? Number(max) : v1;
  const period = Number(max ? maxPeriod : firstOf("cpu", "cpu.cfs_period_us", read));
  return allowed > 0 && period > 0 ? allowed / period : undefined;
}

export function readLimits(read: ReadFile = readFile): Limits {
  return {
    cpus: quota(read),
    memoryBytes:
      bytes(firstOf("memory", "memory.max", read)) ??
      bytes(firstOf("memory", "memory.limit_in_bytes", read)),
  };
}

/** Bytes that the group's processes hold and the kernel cannot take back; files' pages it can. */
export function readUnreclaimable(read: ReadFile = readFile): number | undefined {
  const text = firstOf("memory", "memory.stat", read) ?? "";
  // Version 2 says anon; version 1 total_rss, in which groups within this one are counted.
  return bytes(/^(?:anon|total_rss) (\d+)$/m.exec(text)?.[1]);
}

/** The number after a word at the start of a line. */
function after(word: string, text: string | undefined): number | undefined {
  const found = new RegExp(`^${word} (\\d+)$`, "m").exec(text ?? "")?.[1];
  return found === undefined ? undefined : Number(found);
}

const number = (text: string | undefined): number | undefined =>
  text === undefined || text === "" ? undefined : Number(text);

export function readUsage(read: ReadFile = readFile): Usage {
  const memory = (file: string): string | undefined => firstOf("memory", file, read);
  const charged = number(memory("memory.current") ?? memory("memory.usage_in_bytes"));
  const pages = memory("memory.stat");
  const droppable = after("total_inactive_file", pages) ?? after("inactive_file", pages) ?? 0;
  const events = memory("memory.events");
  const micros = after("usage_usec", firstOf("cpu", "cpu.stat", read));
  const nanos = number(firstOf("cpuacct", "cpuacct.usage", read));
  return {
    cpuSeconds:
      micros === undefined ? (nanos === undefined ? undefined : nanos / 1e9) : micros / 1e6,
    memoryBytes: charged === undefined ? undefined : charged - droppable,
    memoryHits: after("max", events) ?? number(memory("memory.failcnt")),
    memoryKills: after("oom_kill", events) ?? after("oom_kill", memory("memory.oom_control")),
  };
}

export function readThrottling(read: ReadFile = readFile): Throttling | undefined {
  const text = firstOf("cpu", "cpu.stat", read);
  if (text === undefined) return undefined;
  const get = (key: string): number => after(key, text) ?? 0;
  return {
    periods: get("nr_periods"),
    throttledPeriods: get("nr_throttled"),
    throttledSeconds: get("throttled_usec") / 1e6 + get("throttled_time") / 1e9,
  };
}
