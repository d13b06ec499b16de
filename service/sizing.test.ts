import { describe, expect, it } from "vitest";
import { chooseSizing, nodeFlags } from "./sizing.ts";

const MB = 1024 * 1024;
const size = (cpus: number | undefined, memoryMB: number | undefined) =>
  chooseSizing({ cpus, memoryBytes: memoryMB === undefined ? undefined : memoryMB * MB }, 2);

describe("sizing", () => {
  it.each([
    [0.2, 80, 1, 1],
    [1, 256, 1, 1],
    [2, 256, 2, 1],
    [4, 192, 2, 2],
    [3.5, 1024, 3, 1],
    [undefined, undefined, 2, 1],
  ])("gives %s cpus and %s MB %i workers of %i threads", (cpus, memory, workers, threads) => {
    expect(size(cpus, memory)).toMatchObject({ workers, threads });
  });

  it("leaves the heap, young and old, room under every limit", () => {
    for (const memory of [64, 80, 96, 128, 192, 256, 512, 1024, 8192]) {
      const { oldSpaceMB = 0, semiSpaceMB = 0 } = size(1, memory);
      expect(oldSpaceMB + 3 * semiSpaceMB + 16).toBeLessThan(memory);
    }
  });

  it("takes thousands of connections at the smallest useful size", () => {
    expect(size(0.2, 80).maxConnections).toBeGreaterThan(1000);
  });

  it("leaves V8 alone where nothing is limited", () => {
    expect(nodeFlags(size(1, undefined))).toEqual([]);
    expect(nodeFlags(size(0.2, 80))).toEqual([
      "--max-old-space-size=30",
      "--max-semi-space-size=4",
      "--always-sparkplug",
    ]);
  });
});
