import { describe, expect, it } from "vitest";
import { readLimits, readThrottling, readUnreclaimable, readUsage } from "./limits.ts";

const from = (files: Record<string, string>) => (path: string) => files[path];

describe("limits of the cgroup", () => {
  it("reads version 2, in a container and in a nested group of the host", () => {
    const inside = {
      "/sys/fs/cgroup/cpu.max": "25000 100000",
      "/sys/fs/cgroup/memory.max": "83886080",
    };
    expect(readLimits(from({ "/proc/self/cgroup": "0::/", ...inside }))).toEqual({
      cpus: 0.25,
      memoryBytes: 83_886_080,
    });
    const nested = {
      "/proc/self/cgroup": "0::/user.slice/job",
      "/sys/fs/cgroup/user.slice/job/cpu.max": "200000 100000",
      "/sys/fs/cgroup/user.slice/job/memory.max": "max",
    };
    expect(readLimits(from(nested))).toEqual({ cpus: 2, memoryBytes: undefined });
  });

  it("reads version 1, where the paths of the host are shown inside a container", () => {
    const files = {
      "/proc/self/cgroup": "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc",
      "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "50000",
      "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
      "/sys/fs/cgroup/memory/memory.limit_in_bytes": "134217728",
    };
    expect(readLimits(from(files))).toEqual({ cpus: 0.5, memoryBytes: 134_217_728 });
  });

  it("knows what no limit looks like", () => {
    const v1 = {
      "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
      "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
      "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
    };
    for (const files of [v1, { "/sys/fs/cgroup/cpu.max": "max 100000" }, {}]) {
      expect(readLimits(from(files))).toEqual({ cpus: undefined, memoryBytes: undefined });
    }
  });

  it("reads what cannot be reclaimed in both versions", () => {
    const v2 = { "/sys/fs/cgroup/memory.stat": "anon 1000\nfile 5000\nkernel 7" };
    const v1 = { "/sys/fs/cgroup/memory/memory.stat": "cache 5000\nrss 900\ntotal_rss 1000" };
    for (const files of [v1, v2]) expect(readUnreclaimable(from(files))).toBe(1000);
    expect(readUnreclaimable(from({}))).toBeUndefined();
  });

  it("reads what is used in both versions, and what memory was short for", () => {
    const v2 = {
      "/sys/fs/cgroup/cpu.stat": "usage_usec 2500000\nuser_usec 1",
      "/sys/fs/cgroup/memory.current": "1000",
      "/sys/fs/cgroup/memory.stat": "anon 500\ninactive_file 300",
      "/sys/fs/cgroup/memory.events": "low 0\nhigh 0\nmax 7\noom 2\noom_kill 1",
    };
    const v1 = {
      "/sys/fs/cgroup/cpuacct/cpuacct.usage": "2500000000",
      "/sys/fs/cgroup/memory/memory.usage_in_bytes": "1000",
      "/sys/fs/cgroup/memory/memory.stat": "inactive_file 20\ntotal_inactive_file 300",
      "/sys/fs/cgroup/memory/memory.failcnt": "7",
      "/sys/fs/cgroup/memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1",
    };
    for (const files of [v1, v2]) {
      expect(readUsage(from(files))).toEqual({
        cpuSeconds: 2.5,
        memoryBytes: 700,
        memoryHits: 7,
        memoryKills: 1,
      });
    }
    expect(Object.values(readUsage(from({})))).toEqual(Array(4).fill(undefined));
  });

  it("reads throttling in the units of both versions", () => {
    const v2 = {
      "/sys/fs/cgroup/cpu.stat":
        "usage_usec 5\nnr_periods 10\nnr_throttled 4\nthrottled_usec 1500000",
    };
    const v1 = {
      "/sys/fs/cgroup/cpu/cpu.stat": "nr_periods 10\nnr_throttled 4\nthrottled_time 1500000000",
    };
    for (const files of [v1, v2]) {
      expect(readThrottling(from(files))).toEqual({
        periods: 10,
        throttledPeriods: 4,
        throttledSeconds: 1.5,
      });
    }
    expect(readThrottling(from({}))).toBeUndefined();
  });
});
