// The master: one run at a time on whatever workers there are, watched by whoever listens.
import { randomUUID } from "node:crypto";
import { Run, type WorkerPort } from "./run.ts";
import { describeRequest, type RunRequest } from "./run-request.ts";
import { prepare, type Prepared } from "./scenario/prepare.ts";
import type { OwnRows } from "./scenario/rows.ts";
import { Recorder } from "./server/recorder.ts";
import type { RunStore } from "./server/runs.ts";
import type { Scraper } from "./server/scrape.ts";
import type { ScenarioData } from "./engine/plan.ts";
import type { Report } from "./engine/host.ts";
import type { WorkerRow } from "./events.ts";
import { UserError } from "./units.ts";

export interface MasterOptions {
  /** Origin that is loaded unless a run says otherwise. */
  target: string;
  /** Others a run may load; "*" is any. */
  allowedTargets: readonly string[];
  stack: { name: string; platform: string } | null;
  /** Seconds that a reply may take unless a run says otherwise. */
  timeout?: number | undefined;
  /** What runs that bring no scenario do; null posts predictions. */
  scenario?: { name: string; data: ScenarioData } | null;
  /** The rows of runs that bring neither a scenario nor rows. */
  ownRows?: OwnRows | null;
  runs: RunStore;
  scraper: Scraper | null;
  workers: () => readonly WorkerPort[];
  rows: () => WorkerRow[];
  log: (text: string) => void;
}

/** A run that cannot be started now, though it may be later. */
export class Busy extends UserError {}

export class Master {
  readonly recorder = new Recorder();
  readonly options: MasterOptions;
  #run: Run | null = null;
  #starting = false;
  #idle: NodeJS.Timeout;
  #lastRows = "";
  /** What targets said of themselves, by host. */
  readonly #described = new Map<string, unknown>();

  constructor(options: MasterOptions) {
    this.options = options;
    this.#idle = setInterval(() => {
      this.#showWorkers();
    }, 1000);
  }

  close(): void {
    clearInterval(this.#idle);
    this.options.scraper?.stop();
  }

  /** The run that goes on, or the last one. */
  get run(): Run | null {
    return this.#run;
  }

  get active(): boolean {
    return this.#run !== null && this.#run.state !== "stopped";
  }

  get state(): "ready" | "spawning" | "running" | "stopping" | "stopped" {
    if (this.#starting) return "spawning";
    return this.#run?.state ?? "ready";
  }

  /** While no run says so, workers that come and go are shown. */
  #showWorkers(): void {
    if (this.active) return;
    const workers = this.options.rows();
    const text = workers.map(({ id }) => id).join(" ");
    if (text === this.#lastRows && workers.length > 0) return;
    this.#lastRows = text;
    this.recorder.add({ type: "workers", workers });
  }

  /** Starts a run once there are workers enough. Throws UserError; Busy while another goes on. */
  async start(request: RunRequest): Promise<Run> {
    if (this.active || this.#starting) {
      throw new Busy("A run is going on already; stop it first, or wait for its end.");
    }
    const host = this.#target(request.host);
    this.#starting = true;
    try {
      await this.#workersFor(request);
      const { name, data } = await this.prepare(request);
      const { stack, scraper, workers, log } = this.options;
      const run = new Run({
        id: randomUUID(),
        host,
        request,
        scenario: data,
        scenarioName: name,
        stack: await this.#facts(host),
        timeout: this.options.timeout,
        replicas: () => scraper?.samples ?? [],
        emit: (event) => {
          this.recorder.add(event);
          if (event.type === "log") log(event.text);
        },
      });
      this.#run = run;
      if (stack !== null && host === this.options.target) scraper?.start();
      log(`run ${run.id}: ${describeRequest(request)} on ${host}`);
      run.start(workers());
      void run.done.then(() => {
        this.#ended(run);
      });
      return run;
    } finally {
      this.#starting = false;
    }
  }

  #ended(run: Run): void {
    const { runs, scraper, log } = this.options;
    scraper?.stop();
    this.#lastRows = "";
    const { view, events } = this.recorder;
    log(
      `run ${run.id} ended: ${view.ended?.reason ?? ""}, ${view.last?.total.requests ?? 0} requests`,
    );
    try {
      runs.keep(
        view,
        events.filter(({ type }) => type !== "capacity"),
      );
    } catch (error) {
      log(`run ${run.id} could not be kept: ${(error as Error).message}`);
    }
  }

  #target(host: string | null): string {
    const { target, allowedTargets } = this.options;
    if (host === null || host === target) return target;
    if (allowedTargets.includes("*") || allowedTargets.includes(host)) return host;
    throw new UserError(
      `${host} may not be loaded from here; allowed: ${[target, ...allowedTargets].join(", ")}.`,
    );
  }

  async #workersFor({ expectWorkers, expectWorkersMaxWait }: RunRequest): Promise<void> {
    const until = performance.now() + expectWorkersMaxWait * 1000;
    while (this.options.workers().length < expectWorkers) {
      if (performance.now() >= until) {
        throw new UserError(
          `${this.options.workers().length} of ${expectWorkers} workers joined within ${expectWorkersMaxWait} s; see that worker containers are running.`,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** What a run would send, tried on its target. Throws UserError where that refuses it. */
  prepare(request: RunRequest): Promise<Prepared> {
    const scenario = request.scenario ?? this.options.scenario ?? null;
    const rows = request.rows ?? this.options.ownRows ?? null;
    return prepare({ ...request, scenario, rows }, this.#target(request.host), this.#described);
  }

  async #facts(host: string) {
    const { stack, scraper, target } = this.options;
    if (stack === null || host !== target) return null;
    if (scraper !== null) return scraper.facts(stack, host);
    return { ...stack, cpus: null, memory: null, replicas: null, image: null, model: null };
  }

  stop(reason: string, graceMs?: number): void {
    this.#run?.stop(reason, graceMs);
  }

  edit(users: number, spawnRate: number): void {
    this.#run?.edit(users, spawnRate);
  }

  reset(): void {
    if (this.active) this.#run?.reset();
  }

  joined(worker: WorkerPort): void {
    if (this.active) this.#run?.join(worker);
  }

  lost(id: string): void {
    this.#run?.lost(id);
  }

  reported(id: string, report: Report): void {
    this.#run?.reported(id, report);
  }
}
