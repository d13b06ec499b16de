// One trial: the real stack with these limits, a real load, and everybody who watches it.
import { cpus as hostCpus } from "node:os";
import { engineIsHere } from "../../infra/engine.ts";
import { UserError } from "../../infra/errors.ts";
import { Histogram } from "../engine/histogram.ts";
import { failureText, type Ended, type RunEvent, type Tick } from "../events.ts";
import { parseRequest, type RunRequest } from "../run-request.ts";
import type { OwnRows } from "../scenario/rows.ts";
import { driveLoad } from "./drive-load.ts";
import { gatewayKnows, GatewayWatch } from "./gateway-watch.ts";
import type { Observation, Second } from "./observation.ts";
import { hopeless, loadTime, patience, warmUp, type LoadPlan } from "./plan.ts";
import type { TrialRecord } from "./record.ts";
import { judge, type Measured, type Objective } from "./slo.ts";
import type { Limits } from "./space.ts";
import { NotReady, type StackUnderTrial } from "./stack-under-trial.ts";
import { verdictOf } from "./verdict.ts";
import { watchStack } from "./watch.ts";

export interface TrialOptions {
  readonly plan: LoadPlan;
  /** What is sent; null: rows like those that the target describes. */
  readonly rows: OwnRows | null;
  readonly slo: readonly Objective[];
  /** Once a second while the load goes on. */
  readonly progress: (tick: Tick) => void;
}

/** As the load test's engine calls it. */
const nameLost = "host name not found";
/** Docker forgets the names of all running containers when its engine leaves a Swarm. */
const nameLostText =
  "the load test did not find the gateway by its name, as the engine's DNS lost it " +
  "(`docker swarm leave` does that; restarting the stack's containers mends it)";

const now = (): number => Date.now() / 1000;

/** Busy and all CPU time of this machine so far; null when the engine is on another. */
function machineTime(): { busy: number; all: number } | null {
  if (!engineIsHere()) return null;
  let [busy, all] = [0, 0];
  for (const { times } of hostCpus()) {
    const sum = Object.values(times).reduce((a, b) => a + b, 0);
    all += sum;
    busy += sum - times.idle;
  }
  return { busy, all };
}

const nothing = {
  endedEarly: null,
  generatorLimited: null,
  users: 0,
  outOfMemory: 0,
  restarts: 0,
  service: null,
  gateway: null,
  generator: null,
  gatewayView: null,
  machine: null,
} as const;

/** Measures one configuration once. Rejects only for mistakes and broken tools, never for a result. */
export async function runTrial(
  pulumi: StackUnderTrial,
  limits: Limits,
  purpose: TrialRecord["purpose"],
  options: TrialOptions,
): Promise<TrialRecord> {
  const { plan, slo } = options;
  const began = now();
  let image = "";
  let loaded: Loaded;
  let ready: number | undefined;
  try {
    image = await pulumi.up(limits);
    ready = now();
    loaded = await load(pulumi, limits, options);
  } catch (error) {
    if (!(error instanceof NotReady)) throw error;
    const notReady = `did not get ready: ${error.message}`;
    const seen = { ...nothing, notReady, usersAsked: plan.users };
    return {
      ...{ limits, purpose, at: began, image },
      ...verdictOf({ ...seen, seconds: [] }, []),
      took: { up: (ready ?? now()) - began, load: 0, total: now() - began },
      latency: null,
      rps: 0,
      requests: 0,
      failures: 0,
      errors: {},
      seen,
      series: [],
    };
  }
  const base = { limits, purpose, at: began, image };
  const { seen, measured } = loaded;
  const verdict = verdictOf(seen, judge(slo, measured));
  const { seconds, ...rest } = seen;
  void seconds;
  return {
    ...base,
    ...verdict,
    took: { up: ready - began, load: now() - ready, total: now() - began },
    latency: {
      p50: measured.quantile(0.5),
      p95: measured.quantile(0.95),
      p99: measured.quantile(0.99),
      max: measured.max,
    },
    rps: measured.rps,
    requests: measured.requests,
    failures: measured.failures,
    seen: rest,
    errors: loaded.errors,
    series: loaded.series,
  };
}

/** The load of one trial. */
export const requestOf = (plan: LoadPlan, rows: OwnRows | null): RunRequest => ({
  ...parseRequest({
    users: String(plan.users),
    "spawn-rate": String(plan.spawnRate),
    "run-time": `${loadTime(plan)}s`,
    "warm-up": `${warmUp(plan)}s`,
    "stop-timeout": "3s",
  }),
  rows,
});

const secondOf = (start: number, { at, users, total }: Tick): Second => ({
  t: Math.round(at - start),
  users,
  rps: Math.round(total.rps),
  p50: total.p50,
  p95: total.p95,
  p99: total.p99,
  failures: Math.round(total.failuresPerSecond),
});

interface Loaded {
  seen: Observation;
  measured: Measured;
  series: Second[];
  errors: Record<string, number>;
}

async function load(
  { name, platform }: StackUnderTrial,
  declared: Limits,
  { plan, rows, slo, progress }: TrialOptions,
): Promise<Loaded> {
  const watch = await watchStack(platform, name, declared);
  const { master, gateways } = watch;
  await gatewayKnows(gateways, declared.replicas);
  const gateway = new GatewayWatch(gateways);
  const ticks: Tick[] = [];
  let start = now();
  let steadyFrom = Infinity;
  let machineFrom = machineTime();
  /** Requests and failures from before the latencies were counted anew. */
  const early = { requests: 0, failures: 0 };
  const errors = new Map<string, number>();
  let endedEarly: string | null = null;
  let ended: Ended | undefined;
  const request = requestOf(plan, rows);
  /** When most of its users were there, or else its start. */
  const crowdedFrom = (): number => ticks.find(({ users }) => users > plan.users / 2)?.at ?? start;
  const hear = (event: RunEvent): void => {
    if (event.type === "started") start = event.at;
    if (event.type === "ended") ended = event;
    if (event.type === "failures") {
      for (const row of event.rows) errors.set(failureText(row), row.occurrences);
    }
    if (event.type === "reset") {
      const last = ticks.at(-1)?.total;
      early.requests += last?.requests ?? 0;
      early.failures += last?.failures ?? 0;
      steadyFrom = event.at;
      machineFrom = machineTime();
    }
    if (event.type !== "tick") return;
    if (event.state === "stopping" || event.state === "stopped") return;
    ticks.push(event);
    progress(event);
    endedEarly ??=
      (watch.losses(ticks).ended > 0 ? "a replica ended under the load" : undefined) ??
      hopeless(slo, plan, ticks, early.failures) ??
      null;
    // That it fails may be known at once; what was short for it shows in some seconds of it.
    if (endedEarly === null) return;
    const from = crowdedFrom();
    if (ticks.filter(({ at }) => at > from).length >= patience) run.stop();
  };
  const run = driveLoad(master, request, hear);
  try {
    await run.done;
  } finally {
    // Whatever happened, nobody goes on watching.
    await gateway.close();
    watch.close();
  }
  if (ended === undefined) throw new UserError("the load ended without a result.");
  const total = ended.histograms.find(({ method }) => method === "");
  const histogram = Histogram.fromData(total?.data ?? { counts: [], sum: 0, min: 0, max: 0 });
  const series = ticks.map((tick) => secondOf(start, tick));
  const from = Math.min(steadyFrom, start + warmUp(plan));
  // A load that ended before its steady part is judged by what it was with most of its users there.
  const steady = ticks.filter(({ at }) => at > from + 1);
  const since = steady.length > 2 ? from : crowdedFrom();
  const machineTo = machineTime();
  const view = gateway.view();
  const last = ticks.at(-1);
  const { ended: restarts, outOfMemory } = watch.losses(ticks);
  const seenFailures = early.failures + (sumSeconds(ended) ?? last?.total.failures ?? 0);
  const seen: Observation = {
    notReady: null,
    endedEarly,
    generatorLimited: errors.has(nameLost) ? nameLostText : ended.limited,
    users: last?.users ?? 0,
    usersAsked: plan.users,
    outOfMemory,
    restarts,
    service: watch.use("service", since, ticks),
    gateway: watch.use("gateway", since, ticks),
    generator: watch.use("worker", since, ticks),
    gatewayView: view,
    machine:
      machineFrom && machineTo
        ? (machineTo.busy - machineFrom.busy) / Math.max(1, machineTo.all - machineFrom.all)
        : null,
    seconds: steady.map((tick) => secondOf(start, tick)),
  };
  const measured: Measured = {
    quantile: (q) => histogram.quantile(q) / 1000,
    mean: histogram.mean / 1000,
    max: histogram.max / 1000,
    requests: early.requests + histogram.count,
    // What happened in the second before latencies were counted anew, only the gateway saw.
    failures: Math.max(seenFailures, view?.errors ?? 0),
    rps: histogram.count / Math.max(1, ended.at - (steadyFrom < ended.at ? steadyFrom : start)),
  };
  return { seen, measured, series, errors: Object.fromEntries(errors) };
}

/** Failures of all tasks since latencies were last counted anew. */
function sumSeconds(ended: Ended): number | undefined {
  const row = ended.seconds.find(({ method }) => method === "");
  return row?.failures.reduce((sum, [, count]) => sum + count, 0);
}
