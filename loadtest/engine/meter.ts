// What was measured since the last look: one worker counts, and hands the counts on each second.
import { Histogram, type HistogramData } from "./histogram.ts";

/** One kind of failure of one task. Times are Unix seconds. */
export interface FailureCount {
  error: string;
  /** What the server said of the first of them, where it said something. */
  said?: string;
  count: number;
  firstSeen: number;
  lastSeen: number;
}

/** Counts of one task over some time; latencies of failed requests are among the rest, as Locust has them. */
export interface TaskCounts {
  name: string;
  method: string;
  requests: number;
  failures: number;
  bytes: number;
  /** Unix seconds of the last request's end; 0 before one. */
  lastAt: number;
  latency: HistogramData;
  errors: FailureCount[];
}

/** The kind of failure that a reply of such a status is. */
export const statusError = (status: number): string => `status ${status}`;

export class TaskMeter {
  readonly latency = new Histogram();
  requests = 0;
  failures = 0;
  bytes = 0;
  readonly #errors = new Map<string, FailureCount>();
  /** What the server said with each status, for as long as the run goes on. */
  readonly #said = new Map<number, string>();
  readonly name: string;
  readonly method: string;
  readonly #unixMs: () => number;

  constructor(name: string, method: string, unixMs: () => number) {
    this.name = name;
    this.method = method;
    this.#unixMs = unixMs;
  }

  ok(us: number, bytes: number): void {
    this.latency.record(us);
    this.requests += 1;
    this.bytes += bytes;
  }

  /** Whether it is known what the server says with such a status. */
  knows(status: number): boolean {
    return this.#said.has(status);
  }

  said(status: number, words: string): void {
    if (words !== "") this.#said.set(status, words);
  }

  failed(us: number, bytes: number, error: string): void {
    this.ok(us, bytes);
    this.failures += 1;
    const now = this.#unixMs() / 1000;
    let entry = this.#errors.get(error);
    if (entry === undefined) {
      // A server that puts something new into every reply must not fill our memory.
      if (this.#errors.size >= 200) error = "other failures";
      entry = this.#errors.get(error) ?? { error, count: 0, firstSeen: now, lastSeen: now };
      this.#errors.set(error, entry);
    }
    entry.count += 1;
    entry.lastSeen = now;
  }

  /** The counts since the last take; starts again from nothing. */
  take(): TaskCounts {
    for (const [status, said] of this.#said) {
      const failure = this.#errors.get(statusError(status));
      if (failure !== undefined) failure.said = said;
    }
    const counts: TaskCounts = {
      name: this.name,
      method: this.method,
      requests: this.requests,
      failures: this.failures,
      bytes: this.bytes,
      lastAt: this.requests === 0 ? 0 : this.#unixMs() / 1000,
      latency: this.latency.toData(),
      errors: [...this.#errors.values()],
    };
    this.latency.clear();
    this.requests = 0;
    this.failures = 0;
    this.bytes = 0;
    this.#errors.clear();
    return counts;
  }
}
