// One run from start to end: tells workers what to do, adds up what they report, emits events.
import type { Command, Report } from "./engine/host.ts";
import { Histogram } from "./engine/histogram.ts";
import type { ScenarioData } from "./engine/plan.ts";
import type { RunEvent, RunState, StackFacts, WorkerRow } from "./events.ts";
import type { RunRequest } from "./flags.ts";
import { Ledger } from "./ledger.ts";

/** A worker as a run sees it. */
export interface WorkerPort {
  readonly id: string;
  tell(command: Command): void;
}

export interface RunOptions {
  id: string;
  request: RunRequest & { host: string };
  scenario: ScenarioData;
  scenarioName: string;
  stack: StackFacts | null;
  emit: (event: RunEvent) => void;
}

export class Run {
  readonly #options: RunOptions;
  readonly #ledger: Ledger;
  readonly #workers = new Map<string, WorkerPort>();
  readonly #rows = new Map<string, WorkerRow>();
  readonly #finished = new Set<string>();
  #state: RunState = "spawning";
  #ticking: NodeJS.Timeout | undefined;
  #timer: NodeJS.Timeout | undefined;
  #tickedAt = 0;
  #interrupted = 0;
  #reason = "run time over";
  #ended: () => void = () => undefined;
  /** Settles when the run is over and its last event is out. */
  readonly done: Promise<void>;

  constructor(options: RunOptions) {
    this.#options = options;
    this.#ledger = new Ledger(options.scenario.kind === "requests" ? options.scenario.tasks : []);
    this.done = new Promise((resolve) => (this.#ended = resolve));
  }

  start(workers: readonly WorkerPort[]): void {
    const { id, request, scenario, emit } = this.#options;
    this.#tickedAt = Date.now() / 1000;
    emit({
      type: "started",
      run: id,
      at: this.#tickedAt,
      host: request.host,
      scenario: this.#options.scenarioName,
      load: `${request.users} users, ${request.spawnRate} a second`,
      users: request.users,
      spawnRate: request.spawnRate,
      runTime: request.runTime,
      tasks:
        scenario.kind === "requests"
          ? scenario.tasks.map(({ method, name, weight }) => ({ method, name, weight }))
          : [],
      stack: this.#options.stack,
    });
    for (const worker of workers) {
      this.#workers.set(worker.id, worker);
      worker.tell({
        type: "start",
        run: id,
        target: request.host,
        scenario,
        timeoutMs: request.timeout * 1000,
        insecure: request.insecure,
      });
    }
    this.#spread();
    this.#ticking = setInterval(() => {
      this.#tick();
    }, 1000);
    if (request.runTime !== null) {
      this.#timer = setTimeout(() => {
        this.stop("run time over");
      }, request.runTime * 1000);
    }
  }

  #spread(): void {
    const { users, spawnRate } = this.#options.request;
    const workers = [...this.#workers.values()];
    workers.forEach((worker, i) => {
      const share = Math.floor(users / workers.length) + (i < users % workers.length ? 1 : 0);
      worker.tell({ type: "target", users: share, perSecond: spawnRate / workers.length });
    });
  }

  /** Ends the run: new requests first, then those under way within the stop timeout. */
  stop(reason: string, graceMs = this.#options.request.stopTimeout * 1000): void {
    if (this.#state === "stopped") return;
    if (this.#state !== "stopping") this.#reason = reason;
    this.#state = "stopping";
    clearTimeout(this.#timer);
    for (const worker of this.#workers.values()) worker.tell({ type: "stop", graceMs });
  }

  reported(worker: string, report: Report): void {
    if (report.run !== this.#options.id || this.#state === "stopped") return;
    if (report.type === "failed") {
      this.#options.emit({
        type: "log",
        at: Date.now() / 1000,
        level: "error",
        text: `${worker}: ${report.error}`,
      });
      this.#finish(worker);
      return;
    }
    this.#ledger.add(report.counts, Date.now() / 1000);
    this.#rows.set(worker, {
      id: worker,
      state: "running",
      users: report.users,
      cpu: report.cpu,
      lagMs: Histogram.fromData(report.lag).quantile(0.99) / 1000,
      memory: report.memory,
    });
    if (report.final) {
      this.#interrupted += report.interrupted;
      this.#finish(worker);
    }
  }

  #finish(worker: string): void {
    this.#finished.add(worker);
    if (this.#finished.size < this.#workers.size) return;
    this.#state = "stopped";
    clearInterval(this.#ticking);
    clearTimeout(this.#timer);
    this.#tick();
    this.#options.emit({
      type: "ended",
      at: Date.now() / 1000,
      reason: this.#reason,
      limited: null,
      notes: [],
      interrupted: this.#interrupted,
      thresholds: [],
      histograms: this.#ledger.histograms(),
      seconds: this.#ledger.seconds(),
    });
    this.#ended();
  }

  #tick(): void {
    const { emit, request } = this.#options;
    const at = Date.now() / 1000;
    const { rows, total } = this.#ledger.tick(Math.max(0.001, at - this.#tickedAt));
    this.#tickedAt = at;
    const workers = [...this.#rows.values()];
    const users = workers.reduce((sum, worker) => sum + worker.users, 0);
    if (this.#state === "spawning" && users >= request.users) this.#state = "running";
    if (this.#ledger.failuresChanged) emit({ type: "failures", rows: this.#ledger.failures() });
    emit({
      type: "tick",
      at,
      state: this.#state,
      users,
      workers,
      rows,
      total,
      replicas: [],
      limited: null,
    });
  }
}
