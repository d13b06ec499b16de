// One run from start to end: tells workers what to do, adds up what they report, emits events.
import type { Command, Report, WorkerReport } from "./engine/host.ts";
import { Histogram } from "./engine/histogram.ts";
import { LimitJudge, limitOf, ownFailure } from "./engine/self-watch.ts";
import type { ScenarioData } from "./engine/plan.ts";
import type {
  Ended,
  ExceptionRow,
  ReplicaSample,
  RunEvent,
  RunState,
  StackFacts,
  Started,
  StatRow,
  WorkerRow,
} from "./events.ts";
import { Ledger } from "./ledger.ts";
import { describeLoad, peakUsers, share, type Load } from "./load.ts";
import { usualTimeout, type RunRequest } from "./run-request.ts";
import { judge, parseThreshold, type Threshold } from "./thresholds.ts";

/** A worker as a run sees it. */
export interface WorkerPort {
  readonly id: string;
  tell(command: Command): void;
}

export interface RunOptions {
  id: string;
  /** Origin that is loaded. */
  host: string;
  request: RunRequest;
  scenario: ScenarioData;
  scenarioName: string;
  stack: StackFacts | null;
  /** The target's own figures at the moment. */
  replicas?: () => ReplicaSample[];
  /** Seconds that a reply may take where the request does not say. */
  timeout?: number | undefined;
  emit: (event: RunEvent) => void;
}

/** A worker that needs longer to read a scenario runs without us. */
const readySeconds = 30;

/** Workers report each second; the rest are not kept waiting longer for one that does not. */
const lateMs = 1500;

const mean = (values: readonly number[]): number =>
  values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;

const unix = (): number => Date.now() / 1000;

export class Run {
  readonly id: string;
  /** Settles when the run is over and its last event is out. */
  readonly done: Promise<void>;
  readonly #options: RunOptions;
  readonly #ledger = new Ledger();
  readonly #judge = new LimitJudge();
  readonly #workers = new Map<string, WorkerPort>();
  /** Told to start, and not yet ready to. */
  readonly #unready = new Set<string>();
  readonly #rows = new Map<string, WorkerRow>();
  readonly #thresholds: Threshold[];
  readonly #exceptions = new Map<string, ExceptionRow>();
  readonly #notes: string[] = [];
  #exceptionsChanged = false;
  #load: Load;
  /** What every worker was last told, in whole: those who join later are told the same. */
  #target: { users: number; spawnRate: number } | { from: number; to: number; seconds: number };
  #targetAt = 0;
  #state: RunState = "spawning";
  #timers: NodeJS.Timeout[] = [];
  /** Who has not reported since the last tick, and for how long those who have collected counts. */
  #awaited = new Set<string>();
  readonly #collected = new Map<string, number>();
  #late: NodeJS.Timeout | undefined;
  #startedAt = 0;
  #measuredFrom = 0;
  #interrupted = 0;
  #tasks: Started["tasks"];
  #limits: string[] = [];
  #reason = "stopped";
  #ended: () => void = () => undefined;

  constructor(options: RunOptions) {
    this.id = options.id;
    this.#options = options;
    this.#load = options.request.load;
    this.#thresholds = options.request.thresholds.map(parseThreshold);
    this.#tasks =
      options.scenario.kind === "requests"
        ? options.scenario.tasks.map(({ method, name, weight }) => ({ method, name, weight }))
        : [];
    this.#target = { users: 0, spawnRate: 1 };
    this.done = new Promise((resolve) => (this.#ended = resolve));
  }

  get state(): RunState {
    return this.#state;
  }

  /** Tells workers what to run; the load, and the clock, begin once they are ready. */
  start(workers: readonly WorkerPort[]): void {
    for (const worker of workers) this.#begin(worker);
    this.#after(readySeconds, () => {
      for (const id of this.#unready) this.lost(id);
    });
  }

  #ready(worker: string): void {
    this.#unready.delete(worker);
    if (this.#unready.size > 0 || this.#startedAt > 0 || this.#state !== "spawning") return;
    const { request } = this.#options;
    this.#startedAt = this.#measuredFrom = unix();
    this.#emitStarted();
    this.#stage(0);
    this.#awaitReports();
    if (request.warmUp > 0) {
      this.#after(request.warmUp, () => {
        this.reset();
      });
    }
    if (request.runTime !== null) {
      this.#after(request.runTime, () => {
        this.stop("run time over");
      });
    }
  }

  #after(seconds: number, then: () => void): void {
    // setTimeout takes at most 2^31 ms.
    this.#timers.push(setTimeout(then, Math.min(seconds * 1000, 2 ** 31 - 1)));
  }

  #emitStarted(): void {
    const { request, host, scenarioName, stack, emit } = this.#options;
    emit({
      type: "started",
      run: this.id,
      at: this.#startedAt,
      host,
      scenario: scenarioName,
      load: describeLoad(this.#load),
      users: peakUsers(this.#load),
      spawnRate: this.#load.kind === "users" ? this.#load.spawnRate : null,
      runTime: request.runTime,
      tasks: this.#tasks,
      stack,
    });
  }

  #begin(worker: WorkerPort): void {
    const { request, scenario, host } = this.#options;
    this.#workers.set(worker.id, worker);
    if (this.#startedAt === 0) this.#unready.add(worker.id);
    this.#rows.set(worker.id, {
      id: worker.id,
      state: "spawning",
      users: 0,
      cpu: 0,
      lagMs: 0,
      memory: 0,
    });
    worker.tell({
      type: "start",
      run: this.id,
      target: host,
      scenario,
      thinkTime: request.thinkTime,
      timeoutMs: (request.timeout ?? this.#options.timeout ?? usualTimeout) * 1000,
      insecure: request.insecure,
    });
  }

  #stage(index: number): void {
    const load = this.#load;
    const stage = load.stages[index];
    if (stage === undefined) return;
    this.#target =
      load.kind === "users"
        ? { users: load.stages[index]!.users, spawnRate: load.spawnRate }
        : {
            from: load.stages[index]!.from,
            to: load.stages[index]!.to,
            seconds: load.stages[index]!.seconds ?? 0,
          };
    if (index > 0 && this.#state === "running") this.#state = "spawning";
    this.#targetAt = unix();
    this.#spread();
    const { seconds } = stage;
    if (seconds !== null && index + 1 < load.stages.length) {
      this.#after(seconds, () => {
        if (this.#load === load) this.#stage(index + 1);
      });
    }
  }

  /** Tells every worker its share; called again whenever workers come or go. */
  #spread(): void {
    const target = this.#target;
    const count = this.#workers.size;
    [...this.#workers.values()].forEach((worker, i) => {
      if ("users" in target) {
        worker.tell({
          type: "users",
          users: share(target.users, i, count),
          perSecond: target.spawnRate / count,
        });
      } else {
        worker.tell({
          type: "rate",
          from: target.from / count,
          to: target.to / count,
          seconds: target.seconds,
        });
      }
    });
  }

  /** A worker that came while the run was on: it gets its share of what there is to do. */
  join(worker: WorkerPort): void {
    if (this.#state === "stopping" || this.#state === "stopped") return;
    this.#begin(worker);
    this.#log("info", `worker ${worker.id} joined; users are spread anew`);
    if (this.#startedAt === 0) return;
    this.#remain();
    this.#spread();
  }

  /** A worker that is gone: what it did goes to the others, and the result says so. */
  lost(id: string): void {
    if (this.#state === "stopped" || !this.#workers.delete(id)) return;
    this.#unready.delete(id);
    this.#awaited.delete(id);
    const row = this.#rows.get(id);
    if (row !== undefined) this.#rows.set(id, { ...row, state: "missing", users: 0, cpu: 0 });
    const text = `worker ${id} was lost with ${row?.users ?? 0} users; requests it had not yet reported are not counted`;
    this.#notes.push(text);
    this.#log("warning", text);
    if (this.#state === "stopping") this.#maybeFinish();
    else if (this.#workers.size === 0) {
      this.#reason = "all workers were lost";
      this.#state = "stopping";
      this.#maybeFinish();
    } else if (this.#startedAt === 0) this.#ready(id);
    else {
      this.#remain();
      this.#spread();
      if (this.#collected.size > 0) this.#tickIfWhole();
    }
  }

  /** Cuts a ramp of the rate to what remains of it, so that spreading it anew does not restart it. */
  #remain(): void {
    const target = this.#target;
    if (!("from" in target)) return;
    const passed = unix() - this.#targetAt;
    const done = target.seconds === 0 ? 1 : Math.min(1, passed / target.seconds);
    this.#target = {
      from: target.from + (target.to - target.from) * done,
      to: target.to,
      seconds: Math.max(0, target.seconds - passed),
    };
    this.#targetAt = unix();
  }

  /** Another number of users from now on. */
  edit(users: number, spawnRate: number): void {
    this.#load = { kind: "users", stages: [{ users, seconds: null }], spawnRate };
    if (this.#state === "running") this.#state = "spawning";
    this.#options.emit({
      type: "edited",
      at: unix(),
      load: describeLoad(this.#load),
      users,
      spawnRate,
    });
    this.#stage(0);
  }

  /** Forgets what was counted so far; the run goes on. */
  reset(): void {
    if (this.#state === "stopped") return;
    for (const worker of this.#workers.values()) worker.tell({ type: "reset" });
    this.#ledger.reset();
    this.#judge.reset();
    this.#exceptions.clear();
    this.#measuredFrom = unix();
    this.#options.emit({ type: "reset", at: this.#measuredFrom });
    if (this.#startedAt > 0) this.#awaitReports();
  }

  /** Ends the run: no new requests first, then those under way have `graceMs`. */
  stop(reason: string, graceMs = this.#options.request.stopTimeout * 1000): void {
    if (this.#state === "stopped") return;
    if (this.#state !== "stopping") this.#reason = reason;
    this.#state = "stopping";
    for (const timer of this.#timers) clearTimeout(timer);
    for (const worker of this.#workers.values()) worker.tell({ type: "stop", graceMs });
    // A worker that says nothing any more must not keep the run from ending.
    this.#after(graceMs / 1000 + 5, () => {
      for (const id of this.#workers.keys()) this.lost(id);
    });
    this.#maybeFinish();
  }

  reported(worker: string, report: Report): void {
    if (report.run !== this.id || !this.#workers.has(worker)) return;
    switch (report.type) {
      case "planned":
        if (this.#tasks.length === 0) this.#tasks = report.tasks;
        this.#ready(worker);
        return;
      case "failed":
        this.#log("error", `worker ${worker}: ${report.error}`);
        this.#notes.push(`worker ${worker} could not run the scenario: ${report.error}`);
        this.#finished(worker);
        return;
      case "report":
        this.#count(worker, report);
    }
  }

  #count(worker: string, report: WorkerReport): void {
    this.#ledger.add(report.counts, unix());
    for (const thrown of report.thrown) {
      this.#exceptionsChanged = true;
      const row = this.#exceptions.get(thrown.message);
      if (row === undefined) this.#exceptions.set(thrown.message, { ...thrown, nodes: [worker] });
      else {
        row.count += thrown.count;
        if (!row.nodes.includes(worker)) row.nodes.push(worker);
      }
    }
    const lagMs = Histogram.fromData(report.lag).quantile(0.99) / 1000;
    const { cpu, users, memory, dropped } = report;
    this.#rows.set(worker, {
      id: worker,
      state: this.#state === "stopped" ? "ready" : this.#state,
      users,
      cpu,
      lagMs,
      memory,
    });
    this.#collected.set(worker, (this.#collected.get(worker) ?? 0) + report.seconds);
    this.#awaited.delete(worker);
    if (report.final) {
      this.#interrupted += report.interrupted;
      this.#finished(worker);
      return;
    }
    const limit = limitOf({ cpu, lagMs, dropped });
    if (limit !== null) this.#limits.push(limit);
    const own = report.counts.flatMap((task) => task.errors).find(({ error }) => ownFailure(error));
    if (own !== undefined) this.#judge.always(own.error.replace("generator", "the generator ran"));
    this.#tickIfWhole();
  }

  /** A second is whole once every worker there is has reported it. */
  #tickIfWhole(): void {
    if (this.#startedAt > 0 && this.#awaited.size === 0 && this.#workers.size > 0) this.#tick();
  }

  #awaitReports(): void {
    this.#awaited = new Set(this.#workers.keys());
    this.#collected.clear();
    clearTimeout(this.#late);
    this.#late = setTimeout(() => {
      this.#tick();
    }, lateMs);
  }

  #finished(worker: string): void {
    const row = this.#rows.get(worker);
    if (row !== undefined) this.#rows.set(worker, { ...row, state: "ready", users: 0, cpu: 0 });
    this.#workers.delete(worker);
    this.#unready.delete(worker);
    this.#awaited.delete(worker);
    if (this.#state !== "stopping" && this.#workers.size === 0) {
      this.#reason = "no worker could run it";
      this.#state = "stopping";
    }
    this.#ready(worker);
    this.#maybeFinish();
  }

  #maybeFinish(): void {
    if (this.#state !== "stopping" || this.#workers.size > 0) return;
    this.#state = "stopped";
    if (this.#startedAt === 0) {
      this.#startedAt = this.#measuredFrom = unix();
      this.#emitStarted();
    }
    for (const timer of this.#timers) clearTimeout(timer);
    this.#tick();
    clearTimeout(this.#late);
    this.#options.emit(this.numbers());
    this.#ended();
  }

  /** The numbers in full, so far or final. */
  numbers(): Ended {
    return {
      type: "ended",
      at: unix(),
      reason: this.#reason,
      limited: this.#judge.verdict(),
      notes: [...this.#notes],
      interrupted: this.#interrupted,
      thresholds: this.#judged(this.#ledger.total()).map(({ result }) => result),
      histograms: this.#ledger.histograms(),
      seconds: this.#ledger.seconds(),
    };
  }

  #judged(total: StatRow) {
    const seconds = unix() - this.#measuredFrom;
    return this.#thresholds.map((threshold) => ({
      threshold,
      result: judge(threshold, total, (q) => this.#ledger.latency.quantile(q) / 1000, seconds),
    }));
  }

  #tick(): void {
    const { emit, replicas } = this.#options;
    const at = unix();
    const seconds = mean([...this.#collected.values()]);
    // What the last requests brought in a moment is no rate.
    const { rows, total } = this.#ledger.tick(
      this.#state === "stopped" ? Math.max(1, seconds) : seconds > 0 ? seconds : 1,
    );
    this.#awaitReports();
    const workers = [...this.#rows.values()];
    const users = workers.reduce((sum, worker) => sum + worker.users, 0);
    if (this.#state === "spawning" && this.#arrived(users)) {
      this.#state = "running";
      if (this.#options.request.resetStats && this.#measuredFrom === this.#startedAt) this.reset();
    }
    const limits = this.#limits.splice(0);
    if (this.#state !== "stopped") this.#judge.second(limits);
    if (this.#ledger.failuresChanged) emit({ type: "failures", rows: this.#ledger.failures() });
    if (this.#exceptionsChanged) {
      this.#exceptionsChanged = false;
      emit({ type: "exceptions", rows: [...this.#exceptions.values()].map((row) => ({ ...row })) });
    }
    emit({
      type: "tick",
      at,
      state: this.#state,
      users,
      workers,
      rows,
      total,
      replicas: replicas?.() ?? [],
      limited: limits[0] ?? null,
    });
    if (this.#state === "stopping" || this.#state === "stopped" || total.requests === 0) return;
    const crossed = this.#judged(total).find(
      ({ threshold, result }) => threshold.abort && !result.ok,
    );
    if (crossed !== undefined) this.stop(`threshold ${crossed.result.text} was crossed`);
  }

  #arrived(users: number): boolean {
    const target = this.#target;
    return "users" in target ? users >= target.users : true;
  }

  #log(level: "info" | "warning" | "error", text: string): void {
    this.#options.emit({ type: "log", at: unix(), level, text });
  }
}
