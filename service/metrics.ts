import { getHeapStatistics } from "node:v8";
import { collectDefaultMetrics, Counter, Gauge, Registry, type Metric } from "prom-client";
import type { BatchObserver, DispatchReason } from "./batch.ts";
import { readThrottling, readUsage, type Limits } from "./limits.ts";
import type { ModelSlot } from "./model/slot.ts";
import type { Sizing } from "./sizing.ts";

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const ROWS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

/** A histogram for the path of every request: observing is a few comparisons, no allocation. */
class Histogram {
  readonly name: string;
  readonly help: string;
  readonly #bounds: readonly number[];
  readonly #counts: Float64Array;
  #sum = 0;

  constructor(registry: Registry, name: string, help: string, bounds: readonly number[]) {
    this.name = name;
    this.help = help;
    this.#bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
    registry.registerMetric(this as unknown as Metric);
  }

  observe(value: number): void {
    let i = 0;
    while (i < this.#bounds.length && value > (this.#bounds[i] ?? 0)) i++;
    this.#counts[i] = (this.#counts[i] ?? 0) + 1;
    this.#sum += value;
  }

  /** What prom-client asks a metric for. */
  get(): unknown {
    let total = 0;
    const buckets = [...this.#bounds, "+Inf"].map((le, i) => {
      total += this.#counts[i] ?? 0;
      return { metricName: `${this.name}_bucket`, labels: { le }, value: total };
    });
    const values = [
      ...buckets,
      { metricName: `${this.name}_sum`, labels: {}, value: this.#sum },
      { metricName: `${this.name}_count`, labels: {}, value: total },
    ];
    return { name: this.name, help: this.help, type: "histogram", aggregator: "sum", values };
  }
}

/** Why a request got no result. */
export type Rejection = "deadline" | "full" | "late" | "abandoned" | "no_model";

/** Reads at most once in a tenth of a second: one exposition has several metrics of one reading. */
function ofThisMoment<T>(read: () => T): () => T {
  let last: { at: number; value: T } | undefined;
  return () => {
    const at = performance.now();
    if (last === undefined || at - last.at > 100) last = { at, value: read() };
    return last.value;
  };
}

/** Everything that is measured about this process. Times in ms going in, in seconds in the exposition. */
export class Metrics implements BatchObserver {
  readonly registry = new Registry();
  readonly #requests = new Map<string, Float64Array>();
  readonly #total = new Histogram(
    this.registry,
    "inference_request_duration_seconds",
    "From the request's headers to its reply.",
    SECONDS,
  );
  readonly #queue = new Histogram(
    this.registry,
    "inference_queue_duration_seconds",
    "From submission to the start of the run.",
    SECONDS,
  );
  readonly #compute = new Histogram(
    this.registry,
    "inference_compute_duration_seconds",
    "One run of the model.",
    SECONDS,
  );
  readonly #rows = new Histogram(
    this.registry,
    "inference_batch_rows",
    "Rows in one run of the model.",
    ROWS,
  );
  readonly #batches = { all_waiting: 0, full: 0, alone: 0 } satisfies Record<
    DispatchReason,
    number
  >;
  readonly #rejections = {
    deadline: 0,
    full: 0,
    late: 0,
    abandoned: 0,
    no_model: 0,
  } satisfies Record<Rejection, number>;

  #slot: ModelSlot | undefined;

  /** @param image what the service runs in; empty where nobody said */
  constructor(limits: Limits, sizing: Sizing, image = "") {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });

    const requests = new Counter({
      name: "http_requests_total",
      help: "Requests by route and status.",
      labelNames: ["route", "status"],
      registers,
      collect: () => {
        requests.reset();
        for (const [route, counts] of this.#requests) {
          counts.forEach((count, status) => {
            if (count > 0) requests.inc({ route, status }, count);
          });
        }
      },
    });
    const byReason = (
      name: string,
      help: string,
      counts: Readonly<Record<string, number>>,
    ): void => {
      const counter = new Counter({
        name,
        help,
        labelNames: ["reason"],
        registers,
        collect: () => {
          counter.reset();
          for (const [reason, count] of Object.entries(counts)) counter.inc({ reason }, count);
        },
      });
    };
    byReason(
      "inference_batches_total",
      "Runs of the model by why they took no more rows.",
      this.#batches,
    );
    byReason(
      "inference_rejections_total",
      "Requests without a result by reason.",
      this.#rejections,
    );

    const gauge = (
      name: string,
      help: string,
      read: () => number | undefined,
      // Over the processes of a replica: what each has is added up, what they share is not.
      aggregator: "sum" | "max" = "sum",
    ): void => {
      const metric = new Gauge({
        name,
        help,
        registers,
        aggregator,
        collect: () => {
          const value = read();
          if (value !== undefined) metric.set(value);
        },
      });
    };
    gauge(
      "inference_queue_rows",
      "Rows that wait for the model.",
      () => this.#slot?.current?.batcher.queuedRows ?? 0,
    );
    gauge(
      "inference_queue_requests",
      "Requests that wait for the model.",
      () => this.#slot?.current?.batcher.queuedJobs ?? 0,
    );
    const info = new Gauge({
      name: "inference_model_info",
      help: "The model in service.",
      labelNames: ["name", "version", "digest"],
      registers,
      aggregator: "max",
      collect: () => {
        info.reset();
        const model = this.#slot?.current?.model;
        if (model) info.set({ name: model.name, version: model.version, digest: model.digest }, 1);
      },
    });

    if (image !== "") {
      new Gauge({
        name: "inference_info",
        help: "The image that the service runs in.",
        labelNames: ["image"],
        registers,
        aggregator: "max",
      }).set({ image }, 1);
    }
    gauge("inference_limit_cpus", "CPU quota in cores.", () => limits.cpus, "max");
    gauge("inference_limit_memory_bytes", "Memory limit.", () => limits.memoryBytes, "max");
    gauge("inference_threads", "Threads of ONNX Runtime in this process.", () => sizing.threads);
    gauge("inference_workers", "Processes of this replica.", () => sizing.workers, "max");
    gauge(
      "inference_heap_limit_bytes",
      "What V8's heap may grow to in this process.",
      () => getHeapStatistics().heap_size_limit,
    );
    gauge(
      "inference_max_connections",
      "Connections this process takes at once.",
      () => sizing.maxConnections,
    );
    // One look at the kernel's files for all that is in them.
    const throttling = ofThisMoment(readThrottling);
    const usage = ofThisMoment(readUsage);
    gauge(
      "inference_cpu_periods",
      "Periods of the CPU quota so far.",
      () => throttling()?.periods,
      "max",
    );
    gauge(
      "inference_cpu_throttled_periods",
      "Periods in which the quota ran out.",
      () => throttling()?.throttledPeriods,
      "max",
    );
    gauge(
      "inference_cpu_throttled_seconds",
      "Time held up by the quota.",
      () => throttling()?.throttledSeconds,
      "max",
    );
    gauge("inference_cpu_seconds", "CPU time of the replica.", () => usage().cpuSeconds, "max");
    gauge(
      "inference_memory_bytes",
      "Memory of the replica, without file pages that can be dropped.",
      () => usage().memoryBytes,
      "max",
    );
    gauge(
      "inference_memory_limit_hits",
      "Times the replica met its memory limit.",
      () => usage().memoryHits,
      "max",
    );
    gauge(
      "inference_memory_kills",
      "Processes of the replica that the kernel killed for want of memory.",
      () => usage().memoryKills,
      "max",
    );
  }

  /** Shows the queue and the model of this slot. */
  watch(slot: ModelSlot): void {
    this.#slot = slot;
  }

  request(route: string, status: number, ms: number): void {
    let counts = this.#requests.get(route);
    if (counts === undefined) this.#requests.set(route, (counts = new Float64Array(600)));
    counts[status] = (counts[status] ?? 0) + 1;
    this.#total.observe(ms / 1000);
  }

  batch(rows: number, computeMs: number, reason: DispatchReason): void {
    this.#rows.observe(rows);
    this.#compute.observe(computeMs / 1000);
    this.#batches[reason]++;
  }

  waited(ms: number): void {
    this.#queue.observe(ms / 1000);
  }

  dropped(reason: Rejection): void {
    this.#rejections[reason]++;
  }
}
