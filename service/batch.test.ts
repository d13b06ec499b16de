import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Batcher, type BatcherOptions, type Failure, type Job, type Runner } from "./batch.ts";
import type { Output } from "./contract/encode.ts";
import type { Contract, TensorData } from "./contract/types.ts";

const contract = (rowsPerRun: Contract["rowsPerRun"] = "any"): Contract => ({
  inputs: [{ name: "x", type: "float64", shape: [rowsPerRun === "any" ? null : rowsPerRun, 1] }],
  outputs: [{ name: "y", type: "float64", shape: [null] }],
  fields: [],
  classes: undefined,
  rowsPerRun,
  shareable: true,
  examples: [],
  example: {},
});

/** Doubles every row; refuses a run with a negative one. Remembers the rows of every run. */
function doubling(
  rowsPerRun: Contract["rowsPerRun"] = "any",
  cost: (rows: number) => void = () => undefined,
) {
  const runs: number[][] = [];
  const runner: Runner = {
    contract: contract(rowsPerRun),
    rowwise: true,
    independent: true,
    run(inputs) {
      const rows = Array.from(inputs[0] as Float64Array);
      runs.push(rows);
      cost(rows.length);
      if (rows.some((row) => row < 0)) throw new Error("negative");
      return [{ data: Float64Array.from(rows, (row) => 2 * row), dims: [rows.length] }];
    },
  };
  return { runner, runs };
}

class TestJob implements Job {
  readonly rows: number;
  readonly shape = undefined;
  readonly whole = false;
  readonly arrivedAt: number;
  readonly results: number[] = [];
  readonly values: readonly number[];
  gone = false;
  outcome: "waiting" | "done" | "dropped" | Failure["reason"] = "waiting";

  constructor(values: readonly number[], arrivedAt = performance.now()) {
    this.values = values;
    this.rows = values.length;
    this.arrivedAt = arrivedAt;
  }
  abandoned(): boolean {
    return this.gone;
  }
  write(
    from: number,
    count: number,
    into: readonly TensorData[],
    _widths: readonly number[],
    at: number,
  ): void {
    for (let i = 0; i < count; i++)
      (into[0] as Float64Array)[at + i] = this.values[from + i] as number;
  }
  take(outputs: readonly Output[], at: number, count: number): void {
    for (let i = 0; i < count; i++)
      this.results.push((outputs[0]?.data as Float64Array)[at + i] as number);
  }
  finish(): void {
    expect(this.outcome).toBe("waiting");
    this.outcome = "done";
  }
  fail({ reason }: Failure): void {
    expect(this.outcome).toBe("waiting");
    this.outcome = reason;
  }
  drop(): void {
    expect(this.outcome).toBe("waiting");
    this.outcome = "dropped";
  }
}

function observer() {
  const seen = { batches: [] as [number, string][], dropped: [] as string[], waited: 0 };
  return {
    seen,
    batch: (rows: number, _ms: number, reason: string) => void seen.batches.push([rows, reason]),
    waited: () => void seen.waited++,
    dropped: (reason: string) => void seen.dropped.push(reason),
  };
}

const options = (over: Partial<BatcherOptions> = {}): BatcherOptions => ({
  batching: true,
  maxBatchRows: 8,
  maxQueuedRows: 100_000,
  deadline: 10_000,
  observer: observer(),
  ...over,
});

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("batching", () => {
  it("gives every request its own results, in any of thousands of interleavings", async () => {
    const interleaving = fc.array(
      fc.record({
        rows: fc.array(fc.integer({ min: -1, max: 1000 }), { minLength: 1, maxLength: 20 }),
        gone: fc.boolean(),
        pause: fc.boolean(),
      }),
      { minLength: 1, maxLength: 25 },
    );
    await fc.assert(
      fc.asyncProperty(
        interleaving,
        fc.integer({ min: 1, max: 12 }),
        async (requests, maxBatchRows) => {
          const { runner, runs } = doubling();
          const batcher = new Batcher(runner, options({ maxBatchRows }));
          const jobs: TestJob[] = [];
          for (const { rows, gone, pause } of requests) {
            const job = new TestJob(rows);
            job.gone = gone && !pause;
            jobs.push(job);
            batcher.submit(job);
            if (pause) await turn();
          }
          await batcher.drained();
          expect(batcher.queuedRows).toBe(0);
          expect(Math.max(...runs.map((rows) => rows.length), 0)).toBeLessThanOrEqual(maxBatchRows);
          for (const job of jobs) {
            if (job.gone) expect(job.outcome).toBe("dropped");
            else if (job.values.some((value) => value < 0)) expect(job.outcome).toBe("model");
            else {
              expect(job.outcome).toBe("done");
              expect(job.results).toEqual(job.values.map((value) => 2 * value));
            }
          }
        },
      ),
      { numRuns: 2000 },
    );
  }, 60_000);

  it("runs what waits together, and one alone at once", async () => {
    const { runner, runs } = doubling();
    const watching = observer();
    const batcher = new Batcher(runner, options({ observer: watching }));
    batcher.submit(new TestJob([1]));
    await turn();
    expect(runs).toEqual([[1]]);
    for (let i = 0; i < 10; i++) batcher.submit(new TestJob([i]));
    await batcher.drained();
    expect(runs.slice(1)).toEqual([
      [0, 1, 2, 3, 4, 5, 6, 7],
      [8, 9],
    ]);
    expect(watching.seen.batches).toEqual([
      [1, "all_waiting"],
      [8, "full"],
      [2, "all_waiting"],
    ]);
  });

  it("fails the request with the bad row and none of its neighbours", async () => {
    const { runner } = doubling();
    const batcher = new Batcher(runner, options());
    const jobs = [[1], [-1], [2]].map((values) => new TestJob(values));
    for (const job of jobs) batcher.submit(job);
    await batcher.drained();
    expect(jobs.map(({ outcome }) => outcome)).toEqual(["done", "model", "done"]);
  });

  it.each([1, 2, 3])("finds %i bad ones among many by halves", async (bad) => {
    const count = 256;
    const { runner, runs } = doubling();
    const batcher = new Batcher(runner, options({ maxBatchRows: count }));
    const jobs = Array.from(
      { length: count },
      (_, i) => new TestJob([(i + 7) % Math.floor(count / bad) === 0 ? -1 : i]),
    );
    const refused = jobs.filter(({ values }) => values[0] === -1).length;
    for (const job of jobs) batcher.submit(job);
    await batcher.drained();
    expect(jobs.map(({ outcome }) => outcome)).toEqual(
      jobs.map(({ values }) => (values[0] === -1 ? "model" : "done")),
    );
    expect(refused).toBeGreaterThanOrEqual(bad);
    expect(runs.length).toBeLessThanOrEqual(1 + 2 * refused * Math.log2(count));
  });

  it("serves a model with a fixed number of rows request by request, filled up", async () => {
    const { runner, runs } = doubling(3);
    const batcher = new Batcher(runner, options());
    const jobs = [[1], [2, 3, 4, 5]].map((values) => new TestJob(values));
    for (const job of jobs) batcher.submit(job);
    await batcher.drained();
    expect(runs).toEqual([
      [1, 1, 1],
      [2, 3, 4],
      [5, 5, 5],
    ]);
    expect(jobs.map(({ results }) => results)).toEqual([[2], [4, 6, 8, 10]]);
  });

  it("gives every request a run of its own where batching is off", async () => {
    const { runner, runs } = doubling();
    const batcher = new Batcher(runner, options({ batching: false }));
    for (const values of [[1], [2, 3], [4]]) batcher.submit(new TestJob(values));
    await batcher.drained();
    expect(runs).toEqual([[1], [2, 3], [4]]);
  });

  it("keeps the runs of a slow model short", async () => {
    const clock = { ms: 0 };
    const { runner, runs } = doubling("any", (rows) => (clock.ms += rows));
    const batcher = new Batcher(
      runner,
      options({ maxBatchRows: 1000, now: () => clock.ms, deadline: 1e9 }),
    );
    for (let i = 0; i < 3; i++) {
      for (let k = 0; k < 300; k++) batcher.submit(new TestJob([k], 0));
      await batcher.drained();
    }
    expect(Math.max(...runs.slice(1).map((rows) => rows.length))).toBe(25);
  });
});

describe("overload", () => {
  it("refuses at once what could not be answered in time, and says when to come again", async () => {
    const clock = { ms: 0 };
    const { runner } = doubling("any", (rows) => (clock.ms += 10 * rows));
    const batcher = new Batcher(runner, options({ now: () => clock.ms, deadline: 2000 }));
    for (let i = 0; i < 100; i++) batcher.submit(new TestJob([i], clock.ms));
    await batcher.drained();
    const outcomes = Array.from({ length: 500 }, (_, i) =>
      batcher.submit(new TestJob([i], clock.ms)),
    );
    const refused = outcomes.filter((refusal) => refusal !== undefined);
    expect(outcomes.slice(0, 190).every((refusal) => refusal === undefined)).toBe(true);
    expect(Math.abs(refused.length - 300)).toBeLessThanOrEqual(1);
    expect(refused[0]).toEqual({ reason: "deadline", retryAfter: 3 });
  });

  it("takes no more rows than the bound, but always takes one request", () => {
    const { runner } = doubling();
    const batcher = new Batcher(runner, options({ maxQueuedRows: 10 }));
    expect(batcher.submit(new TestJob(Array.from({ length: 50 }, () => 1)))).toBeUndefined();
    expect(batcher.submit(new TestJob([1]))).toMatchObject({ reason: "full" });
  });

  it("drops the work of who has left, and of who waited past the deadline", async () => {
    const clock = { ms: 0 };
    const { runner, runs } = doubling();
    const watching = observer();
    const batcher = new Batcher(
      runner,
      options({ now: () => clock.ms, deadline: 100, observer: watching }),
    );
    const [left, late, fine] = [new TestJob([1], 0), new TestJob([2], 0), new TestJob([3], 150)];
    left.gone = true;
    for (const job of [left, late, fine]) batcher.submit(job);
    clock.ms = 200;
    await batcher.drained();
    expect(runs).toEqual([[3]]);
    expect([left.outcome, late.outcome, fine.outcome]).toEqual(["dropped", "late", "done"]);
    expect(watching.seen.dropped).toEqual(["abandoned", "late"]);
  });
});
