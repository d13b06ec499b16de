// What happens in a run, as events, and the one fold over them. The master emits them; the live
// page, the saved HTML report, the console, the CSV and the JSON are all readers of the same list.
// It runs in the browser too: no Node here. Times are Unix seconds, latencies milliseconds.
import type { HistogramData } from "./engine/histogram.ts";
import type { ToldSearch } from "./told-search.ts";

/** The quantiles of every row, as Locust's tables have them, and their names. */
export const quantiles = [0.5, 0.66, 0.75, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999, 0.9999, 1] as const;

/** Counts of one task, or of all, since the run began or was last reset. */
export interface StatRow {
  /** Empty for the row of all tasks. */
  method: string;
  name: string;
  requests: number;
  failures: number;
  /** Bytes of reply bodies. */
  bytes: number;
  /** Of all so far; 0 before the first request. */
  mean: number;
  min: number;
  max: number;
  /** One for each of `quantiles`. */
  quantiles: number[];
  /** One for each of `quantiles`, of the last ten seconds. */
  recent: number[];
  /** Of the second before this tick. */
  rps: number;
  failuresPerSecond: number;
  p50: number;
  p95: number;
  p99: number;
}

/** Failures of one kind. */
export interface FailureRow {
  method: string;
  name: string;
  error: string;
  /** What the server said of the first of them, in a line; absent where it said nothing. */
  said?: string;
  occurrences: number;
  firstSeen: number;
  lastSeen: number;
}

/** A kind of failure in words, with what the server said of the first. */
export const failureText = ({ error, said }: Pick<FailureRow, "error" | "said">): string =>
  said === undefined ? error : `${error}: ${said}`;

/** Something a scenario's own code threw. */
export interface ExceptionRow {
  message: string;
  traceback: string;
  count: number;
  /** Ids of the workers it happened on. */
  nodes: string[];
}

export interface WorkerRow {
  id: string;
  state: "ready" | "spawning" | "running" | "stopping" | "missing";
  users: number;
  /** Share of one core, 0..1. */
  cpu: number;
  /** 99th percentile of how late sends were, over the last second. */
  lagMs: number;
  /** Resident memory in bytes. */
  memory: number;
}

/** One replica's own figures, read inside the stack's network. */
export interface ReplicaSample {
  address: string;
  /** Cores in use, of `cpuLimit`; null when the replica does not say. */
  cpu: number | null;
  cpuLimit: number | null;
  /** Share of scheduling periods in which it was held back, 0..1. */
  throttled: number | null;
  /** Bytes. */
  memory: number | null;
  memoryLimit: number | null;
  /** Since it started: times it met its memory limit, and processes killed for want of memory. */
  memoryHits: number | null;
  memoryKills: number | null;
}

/** What the stack was when the run began; null where nobody said. */
export interface StackFacts {
  name: string;
  platform: string;
  /** Limits of one replica: cores and bytes. */
  cpus: number | null;
  memory: number | null;
  replicas: number | null;
  image: string | null;
  /** Name and version. */
  model: string | null;
}

export interface ThresholdResult {
  /** As it was written: "p95<500ms". */
  text: string;
  /** In the threshold's own unit: ms, a share, or a rate per second. */
  value: number;
  ok: boolean;
}

export type RunState = "spawning" | "running" | "stopping" | "stopped";

export interface Started {
  type: "started";
  run: string;
  at: number;
  host: string;
  scenario: string;
  /** What was asked for, in words: "1000 users, 100 a second". */
  load: string;
  /** Numbers asked for; null where the load is another kind. */
  users: number | null;
  spawnRate: number | null;
  /** Seconds; null runs until stopped. */
  runTime: number | null;
  tasks: { method: string; name: string; weight: number }[];
  stack: StackFacts | null;
}

export interface Tick {
  type: "tick";
  at: number;
  state: RunState;
  users: number;
  workers: WorkerRow[];
  rows: StatRow[];
  total: StatRow;
  /** Empty where the target is not a stack's, or says nothing. */
  replicas: ReplicaSample[];
  /** Why the generator itself was the limit in this second; null when it was not. */
  limited: string | null;
}

export interface Ended {
  type: "ended";
  at: number;
  /** Why: "run time over", "stopped", "threshold crossed", … */
  reason: string;
  /** Why the result is about the generator and not about the target; null when it is not. */
  limited: string | null;
  /** What else is to be known of the numbers, such as workers lost on the way. */
  notes: string[];
  /** Requests given up uncounted when the run was stopped. */
  interrupted: number;
  thresholds: ThresholdResult[];
  /** Whole latency histograms, one for each row, µs. */
  histograms: { method: string; name: string; data: HistogramData }[];
  /** Requests and failures by Unix second, for each row. */
  seconds: {
    method: string;
    name: string;
    requests: [number, number][];
    failures: [number, number][];
  }[];
}

export type RunEvent =
  | Started
  | Tick
  | { type: "failures"; rows: FailureRow[] }
  | { type: "exceptions"; rows: ExceptionRow[] }
  | { type: "log"; at: number; level: "info" | "warning" | "error"; text: string }
  | { type: "edited"; at: number; load: string; users: number | null; spawnRate: number | null }
  | { type: "reset"; at: number }
  /** Workers while no run goes on; in a run every tick has them. */
  | { type: "workers"; workers: WorkerRow[] }
  /** A capacity search, of which many runs may be a part; as it stands now. */
  | { type: "capacity"; search: ToldSearch }
  | Ended;

/** Everything there is to show of a run. */
export interface RunView {
  started: Started | undefined;
  state: RunState;
  /** Ticks since the start, oldest first; the charts. */
  ticks: Tick[];
  last: Tick | undefined;
  failures: FailureRow[];
  exceptions: ExceptionRow[];
  logs: { at: number; level: string; text: string }[];
  workers: WorkerRow[];
  ended: Ended | undefined;
  /** When the statistics were last begun anew, if they were. */
  resetAt: number | undefined;
  /** The capacity search that goes on, or the last one. */
  capacity: ToldSearch | undefined;
}

export const emptyView = (): RunView => ({
  started: undefined,
  state: "stopped",
  ticks: [],
  last: undefined,
  failures: [],
  exceptions: [],
  logs: [],
  workers: [],
  ended: undefined,
  resetAt: undefined,
  capacity: undefined,
});

const maxLogs = 1000;

/** Takes one event into a view, in place; a `started` begins it anew. */
export function fold(view: RunView, event: RunEvent): RunView {
  switch (event.type) {
    case "started":
      return Object.assign(view, emptyView(), {
        started: event,
        state: "spawning",
        workers: view.workers,
        capacity: view.capacity,
      });
    case "capacity":
      view.capacity = event.search;
      return view;
    case "workers":
      view.workers = event.workers;
      return view;
    case "tick":
      view.ticks.push(event);
      view.last = event;
      view.workers = event.workers;
      view.state = event.state;
      return view;
    case "failures":
      view.failures = event.rows;
      return view;
    case "exceptions":
      view.exceptions = event.rows;
      return view;
    case "log":
      view.logs.push(event);
      if (view.logs.length > maxLogs) view.logs.shift();
      return view;
    case "edited":
      if (view.started !== undefined) {
        view.started = {
          ...view.started,
          load: event.load,
          users: event.users,
          spawnRate: event.spawnRate,
        };
      }
      return view;
    case "reset":
      view.failures = [];
      view.exceptions = [];
      view.resetAt = event.at;
      return view;
    case "ended":
      view.ended = event;
      view.state = "stopped";
      return view;
  }
}
