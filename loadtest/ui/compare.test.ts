import { describe, expect, test } from "vitest";
import type { RunSummary } from "../api.ts";
import { change, compareRows, verdictOf } from "./compare.ts";

const summary = (over: Partial<RunSummary> = {}): RunSummary => ({
  id: "a",
  startedAt: 0,
  endedAt: 60,
  reason: "run time over",
  host: "http://gateway:8000",
  scenario: "POST /predict",
  load: "10 users",
  users: 10,
  requests: 600,
  failures: 0,
  rps: 10,
  mean: 5,
  p50: 4,
  p95: 10,
  p99: 20,
  max: 30,
  limited: null,
  thresholds: [],
  stack: null,
  ...over,
});

describe("runs side by side", () => {
  test("less latency is better, fewer requests a second are worse", () => {
    expect(change(100, 50, "low")).toEqual({ text: "−50%", verdict: "better" });
    expect(change(100, 50, "high")).toEqual({ text: "−50%", verdict: "worse" });
  });

  test("a hair's breadth is no change, and nothing compares with zero", () => {
    expect(change(100, 100.2, "low")).toEqual({ text: "±0%", verdict: "same" });
    expect(change(0, 3, "low")).toBeNull();
  });

  test("the first run is the measure of the others", () => {
    const rows = compareRows([summary(), summary({ id: "b", p95: 20 })]);
    const p95 = rows.find(({ title }) => title === "p95")!;
    expect(p95.cells[0]!.change).toBeNull();
    expect(p95.cells[1]!.change).toEqual({ text: "+100%", verdict: "worse" });
  });

  test("each run stands with the stack it ran on", () => {
    const stack = {
      name: "dev",
      platform: "container",
      cpus: 0.5,
      memory: 2 ** 28,
      replicas: 3,
      image: "sha256:0123456789abcdef",
      model: "iris v3",
    };
    const cell = (title: string): string =>
      compareRows([summary({ stack })]).find((row) => row.title === title)!.cells[0]!.text;
    expect(["cpus", "memory", "replicas", "Model", "Image"].map(cell)).toEqual([
      "0.5",
      "256 MiB",
      "3",
      "iris v3",
      "0123456789ab",
    ]);
  });

  test("a run that measured the generator says so before anything else", () => {
    const thresholds = [{ text: "p95<5ms", ok: false }];
    expect(verdictOf(summary({ thresholds, limited: "CPU" }))).toBe("generator-limited");
    expect(verdictOf(summary({ thresholds }))).toBe("crossed p95<5ms");
  });
});
