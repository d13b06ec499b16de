import { describe, expect, it, vi } from "vitest";
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

  it("rests after a run of many rows, and never after one of few", () => {
    const rests = vi.spyOn(Atomics, "wait");
    const rest = pacer(0.01);
    const start = process.cpuUsage();
    while (process.cpuUsage(start).user < 50_000);
    rest?.(1);
    expect(rests).not.toHaveBeenCalled();
    rest?.(8);
    expect(rests).toHaveBeenCalledOnce();
    rests.mockRestore();
  });
});
