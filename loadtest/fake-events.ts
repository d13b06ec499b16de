// For tests: a small run, told as events by the real ledger.
import { Histogram } from "./engine/histogram.ts";
import type { TaskCounts } from "./engine/meter.ts";
import { emptyView, fold, type RunEvent, type RunView } from "./events.ts";
import { Ledger } from "./ledger.ts";

/** Counts of one task whose requests took `ms`, of which the last `failures` failed by `error`. */
export function counts(
  name: string,
  ms: readonly number[],
  failures = 0,
  error = "status 500",
): TaskCounts {
  const latency = new Histogram();
  for (const one of ms) latency.record(one * 1000);
  return {
    name,
    method: "POST",
    requests: ms.length,
    failures,
    bytes: ms.length * 23,
    lastAt: 1001,
    latency: latency.toData(),
    errors:
      failures === 0 ? [] : [{ error, count: failures, firstSeen: 1000.5, lastSeen: 1001.25 }],
  };
}

/** A run of as many seconds as there are entries, each what workers reported in it. */
export function events(seconds: readonly TaskCounts[][]): RunEvent[] {
  const ledger = new Ledger();
  const list: RunEvent[] = [
    {
      type: "started",
      run: "run-1",
      at: 1000,
      host: "http://gateway:8080",
      scenario: "POST /predict",
      load: "10 users, 10 a second",
      users: 10,
      spawnRate: 10,
      runTime: seconds.length,
      tasks: [{ method: "POST", name: "/predict", weight: 1 }],
      stack: null,
    },
  ];
  seconds.forEach((reports, i) => {
    ledger.add(reports, 1000 + i);
    const { rows, total } = ledger.tick(1);
    list.push({
      type: "tick",
      at: 1001 + i,
      state: "running",
      users: 10,
      workers: [],
      rows,
      total,
      replicas: [],
      limited: null,
    });
  });
  list.push({ type: "failures", rows: ledger.failures() });
  list.push({
    type: "ended",
    at: 1000 + seconds.length,
    reason: "run time over",
    limited: null,
    notes: [],
    interrupted: 0,
    thresholds: [],
    histograms: ledger.histograms(),
    seconds: ledger.seconds(),
  });
  return list;
}

export const viewOf = (list: readonly RunEvent[]): RunView => list.reduce(fold, emptyView());
