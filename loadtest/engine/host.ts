// Runs an engine as it is told to, and reports once a second. The same host serves a run inside
// one process and, over the network, a master.
import type { HistogramData } from "./histogram.ts";
import { Engine } from "./engine.ts";
import { endpointOf } from "./connection.ts";
import { Addresses } from "./addresses.ts";
import type { ThrownCount } from "./lane.ts";
import type { TaskCounts } from "./meter.ts";
import { makePlan, type ScenarioData } from "./plan.ts";
import type { ThinkTime } from "../scenario/scenario.ts";

/** What a master tells a worker. */
export type Command =
  | {
      type: "start";
      run: string;
      /** Origin that requests go to. */
      target: string;
      scenario: ScenarioData;
      /** Instead of the scenario's own. */
      thinkTime: ThinkTime | null;
      timeoutMs: number;
      insecure: boolean;
    }
  | { type: "users"; users: number; perSecond: number }
  | { type: "rate"; from: number; to: number; seconds: number }
  /** Forget what was counted since the last report. */
  | { type: "reset" }
  /** No new requests; those under way have `graceMs` to end. */
  | { type: "stop"; graceMs: number };

/** Counts are those since the report before. */
export interface WorkerReport {
  type: "report";
  run: string;
  users: number;
  /** How long the counts were collected. */
  seconds: number;
  counts: TaskCounts[];
  thrown: ThrownCount[];
  /** Share of one core. */
  cpu: number;
  /** How late requests left, µs. */
  lag: HistogramData;
  /** Arrivals of an open loop that could not be sent. */
  dropped: number;
  /** Resident bytes of the process. */
  memory: number;
  /** The last of its run. */
  final: boolean;
  /** With `final`: requests given up uncounted. */
  interrupted: number;
}

/** What a worker tells its master. */
export type Report =
  | WorkerReport
  | { type: "planned"; run: string; tasks: { method: string; name: string; weight: number }[] }
  | { type: "failed"; run: string; error: string };

/** Replicas come and go behind one name. */
const resolveMs = 5000;

export class EngineHost {
  readonly #tell: (report: Report) => void;
  #engine: Engine | undefined;
  #run = "";
  #waiting: Command[] = [];
  #turning: NodeJS.Timeout | undefined;
  #reporting: NodeJS.Timeout | undefined;
  #resolving: NodeJS.Timeout | undefined;
  #stopBy: number | undefined;
  #dropped = 0;
  #cpu = process.cpuUsage();
  #since = performance.now();

  constructor(tell: (report: Report) => void) {
    this.#tell = tell;
  }

  do(command: Command): void {
    if (command.type === "start") {
      this.abandon();
      this.#run = command.run;
      void this.#start(command);
    } else if (this.#engine === undefined) {
      // The scenario is still being read.
      if (this.#run !== "") this.#waiting.push(command);
    } else this.#obey(this.#engine, command);
  }

  /** Ends what is under way without a word: the master is gone, or wants something else. */
  abandon(): void {
    clearInterval(this.#turning);
    clearInterval(this.#reporting);
    this.#reporting = undefined;
    clearInterval(this.#resolving);
    this.#engine?.close();
    this.#engine = undefined;
    this.#run = "";
    this.#waiting = [];
    this.#stopBy = undefined;
  }

  #obey(engine: Engine, command: Exclude<Command, { type: "start" }>): void {
    switch (command.type) {
      case "users":
        this.#keepReporting(engine);
        engine.setTarget(command.users, command.perSecond);
        return;
      case "rate":
        this.#keepReporting(engine);
        engine.setRate(command.from, command.to, command.seconds);
        return;
      case "reset":
        clearInterval(this.#reporting);
        this.#reporting = undefined;
        engine.take();
        this.#keepReporting(engine);
        return;
      case "stop":
        engine.stop();
        this.#stopBy = performance.now() + command.graceMs;
    }
  }

  async #start(command: Extract<Command, { type: "start" }>): Promise<void> {
    const { run } = command;
    const url = new URL(command.target);
    const endpoint = { ...endpointOf(url), insecure: command.insecure };
    const addresses = new Addresses(endpoint.host);
    let plan;
    try {
      await addresses.resolve();
      plan = await makePlan(command.scenario, url.host, Math.random);
      if (command.thinkTime !== null) plan = { ...plan, thinkTime: command.thinkTime };
    } catch (error) {
      if (this.#run === run) this.#run = "";
      this.#tell({ type: "failed", run, error: (error as Error).message });
      return;
    }
    if (this.#run !== run) return;
    this.#resolving = setInterval(() => {
      // A name that is not known for a moment keeps the addresses it had.
      addresses.resolve().catch(() => undefined);
    }, resolveMs);
    this.#tell({
      type: "planned",
      run,
      tasks: plan.tasks.map(({ method, name, weight }) => ({ method, name, weight })),
    });
    const engine = new Engine({
      plan,
      endpoint: { ...endpoint, address: () => addresses.next() },
      timeoutMs: command.timeoutMs,
    });
    this.#engine = engine;
    this.#dropped = 0;
    this.#beginSecond();
    for (const waiting of this.#waiting.splice(0)) this.do(waiting);
    this.#turning = setInterval(() => {
      this.#turn(engine);
    }, 1);
  }

  /** Reports each second from the first load on: all workers are told of it at the same moment. */
  #keepReporting(engine: Engine): void {
    if (this.#reporting !== undefined) return;
    this.#beginSecond();
    this.#reporting = setInterval(() => {
      this.#report(engine, false, 0);
    }, 1000);
  }

  #beginSecond(): void {
    this.#cpu = process.cpuUsage();
    this.#since = performance.now();
  }

  #turn(engine: Engine): void {
    engine.turn();
    if (this.#stopBy === undefined) return;
    if (engine.busy === 0 || performance.now() >= this.#stopBy) {
      this.#report(engine, true, engine.close());
      this.abandon();
    }
  }

  #report(engine: Engine, final: boolean, interrupted: number): void {
    const used = process.cpuUsage(this.#cpu);
    const ms = Math.max(1, performance.now() - this.#since);
    const cpu = (used.user + used.system) / 1000 / ms;
    this.#beginSecond();
    const lag = engine.lag.toData();
    engine.lag.clear();
    const dropped = engine.dropped - this.#dropped;
    this.#dropped = engine.dropped;
    this.#tell({
      type: "report",
      run: this.#run,
      users: engine.users,
      seconds: ms / 1000,
      counts: engine.take(),
      thrown: engine.takeThrown(),
      cpu,
      lag,
      dropped,
      memory: process.memoryUsage.rss(),
      final,
      interrupted,
    });
  }
}
