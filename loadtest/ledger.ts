// The run's books: adds up what workers counted and says, once a second, how things stand.
import { Histogram, type HistogramData } from "./engine/histogram.ts";
import type { FailureCount, TaskCounts } from "./engine/meter.ts";
import { quantiles, type Ended, type FailureRow, type StatRow } from "./events.ts";

/** Seconds that recent percentiles look back, as Locust's do. */
const windowSeconds = 10;

class Account {
  readonly method: string;
  readonly name: string;
  readonly all = new Histogram();
  readonly recent = new Histogram();
  /** Latencies of the seconds before this one, oldest first. */
  #before: { latency: HistogramData; seconds: number }[] = [];
  failures = 0;
  bytes = 0;
  recentFailures = 0;
  lastAt = 0;
  readonly requestsBySecond = new Map<number, number>();
  readonly failuresBySecond = new Map<number, number>();

  constructor(method: string, name: string) {
    this.method = method;
    this.name = name;
  }

  add(counts: TaskCounts, second: number): void {
    this.all.mergeData(counts.latency);
    this.recent.mergeData(counts.latency);
    this.failures += counts.failures;
    this.recentFailures += counts.failures;
    this.bytes += counts.bytes;
    this.lastAt = Math.max(this.lastAt, counts.lastAt);
    bump(this.requestsBySecond, second, counts.requests);
    bump(this.failuresBySecond, second, counts.failures);
  }

  row(seconds: number): StatRow {
    const { all, recent } = this;
    const now = recent.quantiles([0.5, 0.95, 0.99]).map(ms);
    return {
      method: this.method,
      name: this.name,
      requests: all.count,
      failures: this.failures,
      bytes: this.bytes,
      mean: ms(all.mean),
      min: all.count === 0 ? 0 : ms(all.min),
      max: ms(all.max),
      quantiles: all.quantiles(quantiles).map(ms),
      rps: recent.count / seconds,
      failuresPerSecond: this.recentFailures / seconds,
      recent: this.#window().quantiles(quantiles).map(ms),
      p50: now[0]!,
      p95: now[1]!,
      p99: now[2]!,
    };
  }

  #window(): Histogram {
    const window = new Histogram();
    for (const { latency } of this.#before) window.mergeData(latency);
    window.merge(this.recent);
    return window;
  }

  nextSecond(seconds: number): void {
    this.#before.push({ latency: this.recent.toData(), seconds });
    let covered = this.#before.reduce((sum, one) => sum + one.seconds, 0);
    // With the second that comes they are as many as the window holds.
    while (covered > windowSeconds - 0.5) covered -= this.#before.shift()!.seconds;
    this.recent.clear();
    this.recentFailures = 0;
  }
}

const ms = (us: number): number => us / 1000;

function bump(map: Map<number, number>, key: number, by: number): void {
  if (by > 0) map.set(key, (map.get(key) ?? 0) + by);
}

export class Ledger {
  readonly #accounts = new Map<string, Account>();
  #total = new Account("", "Aggregated");
  readonly #failures = new Map<string, FailureRow>();
  /** Whether failures were added since they were last read. */
  failuresChanged = false;

  /** Adds one worker's counts; `at` is the Unix second they belong to. */
  add(counts: readonly TaskCounts[], at: number): void {
    const second = Math.floor(at);
    for (const task of counts) {
      if (task.requests === 0) continue;
      this.#account(task.method, task.name).add(task, second);
      this.#total.add(task, second);
      for (const error of task.errors) this.#addFailure(task, error);
    }
  }

  #account(method: string, name: string): Account {
    const key = `${method} ${name}`;
    let account = this.#accounts.get(key);
    if (account === undefined) this.#accounts.set(key, (account = new Account(method, name)));
    return account;
  }

  #addFailure(task: TaskCounts, error: FailureCount): void {
    this.failuresChanged = true;
    const key = `${task.method} ${task.name} ${error.error}`;
    const row = this.#failures.get(key);
    if (row === undefined) {
      const { method, name } = task;
      this.#failures.set(key, {
        method,
        name,
        error: error.error,
        ...(error.said === undefined ? {} : { said: error.said }),
        occurrences: error.count,
        firstSeen: error.firstSeen,
        lastSeen: error.lastSeen,
      });
      return;
    }
    if (row.said === undefined && error.said !== undefined) row.said = error.said;
    row.occurrences += error.count;
    row.firstSeen = Math.min(row.firstSeen, error.firstSeen);
    row.lastSeen = Math.max(row.lastSeen, error.lastSeen);
  }

  /** How things stand, and what the last `seconds` brought; the next call counts those from here. */
  tick(seconds: number): { rows: StatRow[]; total: StatRow } {
    const accounts = [...this.#accounts.values()];
    const rows = accounts.map((account) => account.row(seconds));
    const total = this.#total.row(seconds);
    for (const account of accounts) account.nextSecond(seconds);
    this.#total.nextSecond(seconds);
    return { rows, total };
  }

  /** The row of all tasks; its rates are those since the last tick. */
  total(): StatRow {
    return this.#total.row(1);
  }

  failures(): FailureRow[] {
    this.failuresChanged = false;
    return [...this.#failures.values()].map((row) => ({ ...row }));
  }

  /** All latencies of the run, µs. */
  get latency(): Histogram {
    return this.#total.all;
  }

  histograms(): Ended["histograms"] {
    return [...this.#accounts.values(), this.#total].map(({ method, name, all }) => ({
      method,
      name,
      data: all.toData(),
    }));
  }

  seconds(): Ended["seconds"] {
    return [...this.#accounts.values(), this.#total].map((account) => ({
      method: account.method,
      name: account.name,
      requests: [...account.requestsBySecond],
      failures: [...account.failuresBySecond],
    }));
  }

  /** Forgets everything counted so far. */
  reset(): void {
    this.#accounts.clear();
    this.#total = new Account("", "Aggregated");
    this.#failures.clear();
  }
}
