// Runs an engine as it is told to, and reports once a second. The same host serves a run inside
// one process and, over the network, a master.
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { HistogramData } from "./histogram.ts";
import { Engine } from "./engine.ts";
import { endpointOf } from "./connection.ts";
import type { TaskCounts } from "./meter.ts";
import { planRequests, type Plan, type ScenarioData } from "./plan.ts";

/** What a master tells a worker. */
export type Command =
  | {
      type: "start";
      run: string;
      target: string;
      scenario: ScenarioData;
      timeoutMs: number;
      insecure: boolean;
    }
  | { type: "target"; users: number; perSecond: number }
  /** No new requests; those under way have `graceMs` to end. */
  | { type: "stop"; graceMs: number };

/** What a worker tells its master. Counts are those since the report before. */
export type Report =
  | {
      type: "report";
      run: string;
      users: number;
      counts: TaskCounts[];
      /** Share of one core since the report before. */
      cpu: number;
      /** How late sends were, µs. */
      lag: HistogramData;
      /** The event loop's longest delay since the report before, ms. */
      loopDelayMs: number;
      memory: number;
      /** The last of its run. */
      final: boolean;
      /** With `final`: requests given up uncounted. */
      interrupted: number;
    }
  | { type: "failed"; run: string; error: string };

export class EngineHost {
  readonly #tell: (report: Report) => void;
  #engine: Engine | undefined;
  #run = "";
  #turning: NodeJS.Timeout | undefined;
  #reporting: NodeJS.Timeout | undefined;
  #stopBy: number | undefined;
  #cpu = process.cpuUsage();
  #cpuAt = performance.now();
  readonly #loop = monitorEventLoopDelay({ resolution: 10 });

  constructor(tell: (report: Report) => void) {
    this.#tell = tell;
  }

  do(command: Command): void {
    switch (command.type) {
      case "start":
        this.#start(command);
        return;
      case "target":
        this.#engine?.setTarget(command.users, command.perSecond);
        return;
      case "stop":
        this.#engine?.stop();
        this.#stopBy = performance.now() + command.graceMs;
    }
  }

  #start(command: Extract<Command, { type: "start" }>): void {
    this.#end();
    const url = new URL(command.target);
    let plan: Plan;
    if (command.scenario.kind === "requests")
      plan = planRequests(command.scenario, url.host, Math.random);
    else {
      this.#tell({
        type: "failed",
        run: command.run,
        error: "this worker cannot run scenario files",
      });
      return;
    }
    this.#run = command.run;
    this.#engine = new Engine({
      plan,
      endpoint: { ...endpointOf(url), insecure: command.insecure },
      timeoutMs: command.timeoutMs,
    });
    this.#cpu = process.cpuUsage();
    this.#cpuAt = performance.now();
    this.#loop.enable();
    this.#loop.reset();
    this.#stopBy = undefined;
    this.#turning = setInterval(() => {
      this.#turn();
    }, 1);
    this.#reporting = setInterval(() => {
      this.#report(false, 0);
    }, 1000);
  }

  #turn(): void {
    const engine = this.#engine!;
    engine.turn();
    if (this.#stopBy === undefined) return;
    if (engine.busy === 0 || performance.now() >= this.#stopBy) {
      const interrupted = engine.interrupt();
      this.#report(true, interrupted);
      this.#end();
    }
  }

  #end(): void {
    clearInterval(this.#turning);
    clearInterval(this.#reporting);
    this.#engine?.interrupt();
    this.#engine = undefined;
    this.#loop.disable();
  }

  #report(final: boolean, interrupted: number): void {
    const engine = this.#engine!;
    const used = process.cpuUsage(this.#cpu);
    const now = performance.now();
    const cpu = (used.user + used.system) / 1000 / Math.max(1, now - this.#cpuAt);
    this.#cpu = process.cpuUsage();
    this.#cpuAt = now;
    const lag = engine.lag.toData();
    engine.lag.clear();
    const loopDelayMs = this.#loop.max / 1e6;
    this.#loop.reset();
    this.#tell({
      type: "report",
      run: this.#run,
      users: engine.users,
      counts: engine.take(),
      cpu,
      lag,
      loopDelayMs,
      memory: process.memoryUsage.rss(),
      final,
      interrupted,
    });
  }
}
