import { mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { RunEvent, Tick } from "../events.ts";
import { counts, events, viewOf } from "../fake-events.ts";
import { parseSettings } from "../settings.ts";
import type { ToldSearch } from "../told-search.ts";
import * as locust from "./locust.ts";
import { Recorder } from "./recorder.ts";
import { RunStore } from "./runs.ts";
import { labelOf, parseExposition, sampleOf } from "./scrape.ts";

const run = events([[counts("/predict", [1, 2, 3])], [counts("/predict", [4, 200], 1)]]);
const quiet = (): undefined => undefined;

test("who comes late folds to the same view as who was there from the start", () => {
  const recorder = new Recorder();
  for (const event of [...run.slice(0, 2), { type: "workers", workers: [] } as RunEvent, ...run])
    recorder.add(event);
  expect(viewOf(recorder.events)).toEqual(recorder.view);
  expect(recorder.events[0]!.type).toBe("started");
});

test("a capacity search is there for who comes late, through all its runs", () => {
  const recorder = new Recorder();
  const search = { question: "x" } as ToldSearch;
  for (const event of [...run, { type: "capacity", search } as RunEvent, ...run])
    recorder.add(event);
  expect(viewOf(recorder.events)).toEqual(recorder.view);
  expect(recorder.view.capacity).toBe(search);
});

test("a very long run is kept coarser, never cut short", () => {
  const recorder = new Recorder();
  recorder.add(run[0]!);
  const tick = run[1] as Tick;
  for (let i = 0; i < 20_000; i += 1) {
    recorder.add({ ...tick, at: 1001 + i, total: { ...tick.total, requests: i } });
  }
  const { ticks } = viewOf(recorder.events);
  expect(ticks.length).toBeLessThanOrEqual(7200);
  expect(ticks[0]!.at).toBe(1001);
  expect(ticks.at(-1)!.total.requests).toBe(19_999);
});

test("finished runs survive a restart, whole, and the oldest make room", () => {
  const dir = mkdtempSync(join(tmpdir(), "runs-"));
  writeFileSync(join(dir, "broken.json"), "{");
  const store = new RunStore(dir, quiet);
  for (let i = 0; i < 53; i += 1) {
    const list = run.map((event) =>
      event.type === "started" ? { ...event, run: `run-${i}`, at: 1000 + i } : event,
    );
    store.keep(viewOf(list), list);
  }
  const again = new RunStore(dir, quiet);
  expect(again.list().length).toBe(50);
  expect(again.list()[0]).toMatchObject({ id: "run-52", requests: 5, failures: 1, max: 200 });
  expect(viewOf(again.events("run-52")!)).toEqual(store.view("run-52"));
  expect(again.events("../etc/passwd")).toBeNull();
  expect(again.remove("run-52")).toBe(true);
  expect(readdirSync(dir).filter((file) => file.startsWith("run-52"))).toEqual([]);
});

test("the statistics are Locust's, names and all", () => {
  const stats = locust.statsRequests(viewOf(run), "stopped") as {
    stats: Record<string, unknown>[];
    errors: unknown[];
  };
  expect(stats).toMatchObject({ state: "stopped", user_count: 10, fail_ratio: 0.2 });
  expect(stats.stats.at(-1)).toMatchObject({
    name: "Aggregated",
    num_requests: 5,
    num_failures: 1,
    max_response_time: 200,
  });
  expect(stats.errors).toMatchObject([{ error: "status 500", occurrences: 1, first_seen: 1000.5 }]);
  expect(locust.tasks(viewOf(run))).toMatchObject({
    total: { User: { tasks: { "/predict": { ratio: 1 } } } },
  });
});

test("a replica's CPU and throttling are what changed between two looks", () => {
  const text = (cpu: number, periods: number, throttled: number): Map<string, number> =>
    parseExposition(
      `# HELP x y\nprocess_cpu_seconds_total ${cpu}\ninference_cpu_periods ${periods}\ninference_cpu_throttled_periods ${throttled}\ninference_limit_cpus 0.5\nprocess_resident_memory_bytes 1e8\n`,
    );
  const first = sampleOf("10.0.0.1", text(10, 100, 10), undefined, 0);
  expect(first.sample).toMatchObject({ cpu: null, throttled: null, cpuLimit: 0.5, memory: 1e8 });
  const second = sampleOf("10.0.0.1", text(10.4, 120, 15), first.seen, 2000);
  expect(second.sample.cpu).toBeCloseTo(0.2);
  expect(second.sample.throttled).toBe(0.25);
  expect(labelOf('a{x="1"} 1\nb{y="2",image="sha256:1"} 1', "b", "image")).toBe("sha256:1");
});

test("settings are refused by name when they are unknown or wrong", () => {
  const good = { target: "http://gateway:8080", secretFile: "/run/loadtest/secret" };
  expect(parseSettings(good, "x").listen).toEqual({
    host: "0.0.0.0",
    port: 8089,
    workerPort: 5557,
  });
  expect(() => parseSettings({ ...good, tagret: 1 }, "settings.json")).toThrow(
    /settings\.json.*tagret/s,
  );
  expect(() => parseSettings({ ...good, target: "gateway" }, "settings.json")).toThrow("target");
  expect(() => parseSettings({ ...good, masterAddress: "loadtest" }, "settings.json")).toThrow(
    "masterAddress",
  );
});
