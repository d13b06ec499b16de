// Events for the page's tests: everything is nothing but what a test says.
import type { Ended, ReplicaSample, Started, StatRow, Tick } from "../events.ts";
import { quantiles } from "../events.ts";

export const started = (over: Partial<Started> = {}): Started => ({
  type: "started",
  run: "run",
  at: 0,
  host: "http://gateway:8000",
  scenario: "POST /predict",
  load: "10 users, 1 a second",
  users: 10,
  spawnRate: 1,
  runTime: null,
  tasks: [],
  stack: null,
  ...over,
});

export const row = (over: Partial<StatRow> = {}): StatRow => ({
  method: "",
  name: "Aggregated",
  requests: 0,
  failures: 0,
  bytes: 0,
  mean: 0,
  min: 0,
  max: 0,
  quantiles: quantiles.map(() => 0),
  rps: 0,
  failuresPerSecond: 0,
  recent: quantiles.map(() => 0),
  p50: 0,
  p95: 0,
  p99: 0,
  ...over,
});

export const tick = (
  at: number,
  total: Partial<StatRow> = {},
  replicas: ReplicaSample[] = [],
  over: Partial<Tick> = {},
): Tick => ({
  type: "tick",
  at,
  state: "running",
  users: 10,
  workers: [],
  rows: [],
  total: row(total),
  replicas,
  limited: null,
  ...over,
});

export const replica = (address: string, over: Partial<ReplicaSample> = {}): ReplicaSample => ({
  address,
  cpu: null,
  cpuLimit: 1,
  throttled: null,
  memory: null,
  memoryLimit: null,
  memoryHits: null,
  memoryKills: null,
  ...over,
});

export const ended = (over: Partial<Ended> = {}): Ended => ({
  type: "ended",
  at: 10,
  reason: "run time over",
  limited: null,
  notes: [],
  interrupted: 0,
  thresholds: [],
  histograms: [],
  seconds: [],
  ...over,
});
