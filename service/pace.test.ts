import { describe, expect, it } from "vitest";
import { pacer, restMs } from "./pace.ts";

describe("pace", () => {
  it("rests until the share of a core is nearly used up, and never long", () => {
    expect(restMs(0.5, 0.5, 0.25)).toBeCloseTo(1.3);
    expect(restMs(1, 10, 0.25)).toBe(0);
    expect(restMs(50, 50, 0.1)).toBe(4);
  });

  it("leaves a replica alone that has a whole core, or no limit", () => {
    expect(pacer(1)).toBeUndefined();
    expect(pacer(undefined)).toBeUndefined();
  });

  it("never rests after a run of few rows", () => {
    const rest = pacer(0.01);
    const end = performance.now() + 50;
    while (performance.now() < end);
    const start = process.cpuUsage();
    const began = performance.now();
    rest?.(1);
    const { user, system } = process.cpuUsage(start);
    expect(performance.now() - began - (user + system) / 1000).toBeLessThan(3);
  });
});
