import type { Output } from "./contract/encode.ts";
import {
  allocate,
  elementCount,
  rowWidth,
  type Contract,
  type TensorData,
} from "./contract/types.ts";
import { DrainRate, Fifo } from "./queue.ts";

/** A request that waits for the model: some rows in, the same number of results out. */
export interface Job {
  readonly rows: number;
  /** When it came, in ms of `performance.now()`. */
  readonly arrivedAt: number;
  /** Sizes of one row of every input, where the contract leaves one free. */
  readonly shape: readonly (readonly number[])[] | undefined;
  /** Its rows belong together in one run of their own. */
  readonly whole: boolean;
  /** Nobody waits for it any more. */
  abandoned(): boolean;
  /** Writes `count` of its rows from `from` on as rows `at` and following of a run's inputs. */
  write(
    from: number,
    count: number,
    into: readonly TensorData[],
    widths: readonly number[],
    at: number,
  ): void;
  /** Takes the results of `count` rows: they start at row `at` of a run's outputs. In order, all once. */
  take(outputs: readonly Output[], at: number, count: number): void;
  /** All rows were taken: reply. */
  finish(): void;
  fail(failure: Failure): void;
  /** It is not run, because it is abandoned: lets go of what it holds. */
  drop(): void;
}

/** Why a job got no result. */
export type Failure =
  | { readonly reason: "late"; readonly retryAfter: number }
  | { readonly reason: "model" | "internal"; readonly error: unknown };

/** Why a submitted job was not queued; `retryAfter` in whole seconds. */
export interface Rejection {
  readonly reason: "deadline" | "full";
  readonly retryAfter: number;
}

/** Why a batch took no more rows than it did. */
export type DispatchReason = "all_waiting" | "full" | "alone";

/** Told about every batch and every job; times in ms. */
export interface BatchObserver {
  batch(rows: number, computeMs: number, reason: DispatchReason): void;
  waited(ms: number): void;
  dropped(reason: "late" | "abandoned"): void;
}

/** The part of a model that batching needs. */
export interface Runner {
  readonly contract: Contract;
  readonly rowwise: boolean;
  /** A row's answer does not depend on the rows beside it. */
  readonly independent: boolean;
  run(inputs: readonly TensorData[], dims: readonly (readonly number[])[]): Output[];
}

export interface BatcherOptions {
  /** Requests share runs where the model allows it. */
  readonly batching: boolean;
  /** Most rows in one run. */
  readonly maxBatchRows: number;
  /** Most rows that wait. */
  readonly maxQueuedRows: number;
  /** ms from arrival within which a job must have its result. */
  readonly deadline: number;
  readonly observer: BatchObserver;
  /** Told the rows of the last batch when nothing waits any more; see pace.ts. */
  readonly idle?: ((rows: number) => void) | undefined;
  /** Clock in ms. */
  readonly now?: () => number;
}

/** A run longer than this holds up every socket, so batches of a slow model stay smaller. */
const RUN_BUDGET_MS = 25;
const LEAST_ROWS = 8;
/** Requests that cannot share a run are run one after another for so long before sockets are read again. */
const TURN_MS = 5;

interface Part {
  readonly job: Job;
  readonly from: number;
  readonly count: number;
}

const seconds = (ms: number): number => Math.max(1, Math.ceil(ms / 1000));

/**
 * Runs waiting jobs together. A batch is whatever waits when the event loop has read all sockets that
 * were ready, so one job alone is never held back for company.
 */
export class Batcher {
  readonly #runner: Runner;
  readonly #options: BatcherOptions;
  readonly #now: () => number;
  readonly #waiting = new Fifo<Job>();
  readonly #rate = new DrainRate();
  /** Rows of the first waiting job that have run already. */
  #cursor = 0;
  #queuedRows = 0;
  #scheduled = false;
  #busySince = 0;
  /** Best rows per ms of computing seen lately: a throttled run says nothing about the model. */
  #speed = 0;
  #storage: TensorData[] = [];
  #storageRows = 0;
  #whenDrained: (() => void)[] = [];
  readonly #shared: boolean;
  readonly #bound: number;
  /** Elements of one row of every input, where they are fixed. */
  readonly #widths: readonly number[];

  constructor(runner: Runner, options: BatcherOptions) {
    const { contract, rowwise, independent } = runner;
    this.#runner = runner;
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#shared =
      options.batching && independent && contract.shareable && contract.rowsPerRun === "any";
    this.#bound =
      contract.rowsPerRun === "any"
        ? rowwise
          ? independent
            ? options.maxBatchRows
            : Infinity
          : 1
        : contract.rowsPerRun;
    this.#widths = contract.inputs.map(({ shape }) => rowWidth(shape) ?? 1);
  }

  get queuedRows(): number {
    return this.#queuedRows;
  }

  get queuedJobs(): number {
    return this.#waiting.length;
  }

  /** ms that a job of so many rows would wait for its result if it came now. */
  predictedWait(rows = 1): number {
    return this.#rate.wait(this.#queuedRows + rows);
  }

  /** Why a job of so many rows would be refused now; asked before the work of reading one. */
  rejection(rows: number): Rejection | undefined {
    if (this.#queuedRows === 0) return undefined;
    const wait = this.predictedWait(rows);
    if (wait > this.#options.deadline) return { reason: "deadline", retryAfter: seconds(wait) };
    return this.#queuedRows + rows > this.#options.maxQueuedRows
      ? { reason: "full", retryAfter: seconds(wait) }
      : undefined;
  }

  /** Queues a job, or says why not. */
  submit(job: Job): Rejection | undefined {
    const rejection = this.rejection(job.rows);
    if (rejection) return rejection;
    this.#waiting.push(job);
    this.#queuedRows += job.rows;
    this.#schedule();
    return undefined;
  }

  /** Settles when no job waits. */
  drained(): Promise<void> {
    if (this.#waiting.length === 0) return Promise.resolve();
    return new Promise((resolve) => this.#whenDrained.push(resolve));
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#busySince = this.#now();
    setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    const end = this.#now() + TURN_MS;
    let rows = 0;
    do {
      const parts = this.#collect();
      if (parts.length === 0) break;
      this.#dispatch(parts);
      const now = this.#now();
      rows = rowsOf(parts);
      this.#rate.record(rows, now - this.#busySince);
      this.#busySince = now;
    } while (!this.#shared && this.#busySince < end);
    if (this.#waiting.length > 0) {
      // Sockets first: what arrived meanwhile is read, and refused if need be, before the next batch.
      setImmediate(this.#turn);
      return;
    }
    this.#scheduled = false;
    const done = this.#whenDrained;
    this.#whenDrained = [];
    for (const resolve of done) resolve();
    this.#options.idle?.(rows);
  };

  /** Most rows the next run may have. */
  #limit(): number {
    if (!this.#shared || this.#speed === 0) return this.#bound;
    return Math.min(this.#bound, Math.max(LEAST_ROWS, Math.floor(this.#speed * RUN_BUDGET_MS)));
  }

  /** Takes rows off the queue for one run. */
  #collect(): Part[] {
    const parts: Part[] = [];
    const now = this.#now();
    const limit = this.#limit();
    let room = limit;
    for (let job = this.#waiting.first; job !== undefined && room > 0; job = this.#waiting.first) {
      if (!this.#stillWanted(job, now)) {
        this.#remove(job.rows - this.#cursor);
        continue;
      }
      const alone = !this.#shared || job.shape !== undefined || job.whole;
      // What fits in one run is not cut in two for the sake of a full one.
      const cut = this.#cursor === 0 && job.rows > room && job.rows <= limit;
      if ((alone || cut) && parts.length > 0) break;
      if (this.#cursor === 0) this.#options.observer.waited(now - job.arrivedAt);
      const left = job.rows - this.#cursor;
      const count = job.whole ? left : Math.min(left, room);
      parts.push({ job, from: this.#cursor, count });
      room -= count;
      if (count === left) {
        this.#remove(count);
      } else {
        this.#cursor += count;
        this.#queuedRows -= count;
      }
      if (alone) break;
    }
    return parts;
  }

  /** Takes the first job off; `rows` are those of it that still counted as waiting. */
  #remove(rows: number): void {
    this.#waiting.shift();
    this.#queuedRows -= rows;
    this.#cursor = 0;
  }

  #stillWanted(job: Job, now: number): boolean {
    if (job.abandoned()) {
      this.#options.observer.dropped("abandoned");
      job.drop();
      return false;
    }
    if (this.#cursor > 0 || now - job.arrivedAt <= this.#options.deadline) return true;
    this.#options.observer.dropped("late");
    job.fail({ reason: "late", retryAfter: seconds(this.predictedWait()) });
    return false;
  }

  #dispatch(parts: readonly Part[]): void {
    let outputs: readonly Output[];
    const rows = rowsOf(parts);
    const start = this.#now();
    try {
      outputs = this.#run(parts, rows);
    } catch (error) {
      this.#isolate(parts, error);
      return;
    }
    const ms = this.#now() - start;
    const speed = rows / Math.max(ms, 0.001);
    this.#speed = Math.max(speed, this.#speed * 0.98 + speed * 0.02);
    const reason = !this.#shared ? "alone" : this.#waiting.length > 0 ? "full" : "all_waiting";
    this.#options.observer.batch(rows, ms, reason);
    let at = 0;
    for (const part of parts) {
      deliver(part, outputs, at);
      at += part.count;
    }
  }

  /**
   * One row that the model refuses must not fail its neighbours: the jobs are tried by halves, so that
   * one bad one among n costs about 2 log n runs.
   */
  #isolate(parts: readonly Part[], error: unknown): void {
    const [only] = parts;
    if (only && parts.length === 1) {
      // What is left of the job would be work for nothing.
      if (only.job === this.#waiting.first) this.#remove(only.job.rows - this.#cursor);
      only.job.fail({ reason: "model", error });
    } else {
      const half = Math.ceil(parts.length / 2);
      this.#dispatch(parts.slice(0, half));
      this.#dispatch(parts.slice(half));
    }
  }

  #run(parts: readonly Part[], rows: number): readonly Output[] {
    const { contract, rowwise } = this.#runner;
    const { job } = parts[0] as Part;
    const shapes = job.shape;
    const widths = shapes ? shapes.map(elementCount) : this.#widths;
    // A fixed number of rows is filled up with the first one over again.
    const runRows = contract.rowsPerRun === "any" ? rows : contract.rowsPerRun;
    const storage = this.#room(runRows, shapes ? widths : undefined);
    let at = 0;
    for (const part of parts) {
      part.job.write(part.from, part.count, storage, widths, at);
      at += part.count;
    }
    for (; at < runRows; at++) job.write(parts[0]?.from ?? 0, 1, storage, widths, at);

    const inputs = storage.map((data, i) => {
      const length = runRows * (widths[i] ?? 1);
      return data.length === length
        ? data
        : Array.isArray(data)
          ? data.slice(0, length)
          : data.subarray(0, length);
    });
    const dims = contract.inputs.map(({ shape }, i) => [
      runRows,
      ...(shape.length === 1 ? [] : (shapes?.[i] ?? (shape.slice(1) as number[]))),
    ]);
    const outputs = this.#runner.run(inputs, dims);
    // An output that has no part for each row belongs to the run as a whole.
    return rowwise || job.whole
      ? outputs
      : outputs.map(({ data, dims }) => ({ data, dims: [1, ...dims] }));
  }

  /** Storage for the inputs of a run; kept from run to run where the sizes are fixed. */
  #room(rows: number, widths: readonly number[] | undefined): TensorData[] {
    const make = (capacity: number, sizes: readonly number[]): TensorData[] =>
      this.#runner.contract.inputs.map(({ type }, i) => allocate(type, capacity * (sizes[i] ?? 1)));
    if (widths) return make(rows, widths);
    if (rows > this.#storageRows) {
      this.#storageRows = Math.max(rows, Math.min(this.#bound, this.#storageRows * 2));
      this.#storage = make(this.#storageRows, this.#widths);
    }
    return this.#storage;
  }
}

const rowsOf = (parts: readonly Part[]): number => parts.reduce((sum, part) => sum + part.count, 0);

function deliver({ job, from, count }: Part, outputs: readonly Output[], at: number): void {
  try {
    job.take(outputs, at, count);
    if (from + count === job.rows) job.finish();
  } catch (error) {
    job.fail({ reason: "internal", error });
  }
}
