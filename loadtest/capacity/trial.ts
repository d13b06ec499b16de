// One trial: the real stack with these limits, a real load, and everybody who watches it.
import { cpus as hostCpus } from "node:os";
import { setTimeout } from "node:timers/promises";
import { dockerHost } from "../../infra/engine.ts";
import { UserError } from "../../infra/errors.ts";
import { Histogram } from "../engine/histogram.ts";
import type { Ended, RunEvent, Tick } from "../events.ts";
import { parseRequest } from "../run-request.ts";
import {
  gatewayCounters,
  stackContainers,
  type StackContainers,
  type WatchedPart,
} from "./containers.ts";
import { driveLoad } from "./drive-load.ts";
import { EngineWatch } from "./engine-watch.ts";
import { useOf, type GatewayView, type Observation, type Second, type Use } from "./observation.ts";
import { hopeless, loadTime, warmUp, type LoadPlan } from "./plan.ts";
import type { TrialRecord } from "./record.ts";
import { judge, type Measured, type Objective } from "./slo.ts";
import { limitsText, type Limits } from "./space.ts";
import { NotReady, type StackUnderTrial } from "./stack-under-trial.ts";
import { verdictOf } from "./verdict.ts";

export interface TrialOptions {
  readonly stack: string;
  readonly plan: LoadPlan;
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
  if (!dockerHost().startsWith("unix:")) return null;
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
  { stack, plan, slo, progress }: TrialOptions,
): Promise<TrialRecord> {
  const began = now();
  const before = await stackContainers(stack);
  let image = "";
  let notReady: string | null = null;
  try {
    image = await pulumi.up(limits, before.ids.service.length);
  } catch (error) {
    if (!(error instanceof NotReady)) throw error;
    notReady = `did not get ready: ${error.message}`;
  }
  const ready = now();
  const base = { limits, purpose, at: began, image };
  if (notReady !== null) {
    const seen = { ...nothing, notReady, usersAsked: plan.users };
    return {
      ...base,
      ...verdictOf({ ...seen, seconds: [] }, []),
      took: { up: ready - began, load: 0, total: now() - began },
      latency: null,
      rps: 0,
      requests: 0,
      failures: 0,
      errors: {},
      seen,
      series: [],
    };
  }
  const loaded = await load(stack, limits, plan, slo, progress);
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

/** Waits until exactly the declared replicas run: one of another trial would answer for them. */
async function declaredAlone(stack: string, limits: Limits): Promise<StackContainers> {
  for (let waited = 0; ; waited += 1) {
    const found = await stackContainers(stack);
    const { cpus, memory } = found.limits.service;
    const { length } = found.ids.service;
    if (length === limits.replicas && cpus === limits.cpus && memory === limits.memory)
      return found;
    if (waited === 60) {
      throw new UserError(
        `the stack ${stack} has ${length} replicas of ${cpus} CPU, ${memory}MB on this engine where ${limitsText(limits)} is declared. See \`npm run status\`.`,
      );
    }
    await setTimeout(500);
  }
}

const secondOf = (start: number, { at, users, total }: Tick): Second => ({
  t: Math.round(at - start),
  users,
  rps: Math.round(total.rps),
  p50: total.p50,
  p95: total.p95,
  p99: total.p99,
  failures: Math.round(total.failuresPerSecond),
});

async function load(
  stack: string,
  declared: Limits,
  plan: LoadPlan,
  slo: readonly Objective[],
  progress: (tick: Tick) => void,
): Promise<{
  seen: Observation;
  measured: Measured;
  series: Second[];
  errors: Record<string, number>;
}> {
  const { ids, limits } = await declaredAlone(stack, declared);
  const [master] = ids.loadtest;
  if (master === undefined || ids.gateway[0] === undefined) {
    throw new UserError(`the stack ${stack} has no load test or no gateway that runs.`);
  }
  const watch = new EngineWatch(Object.values(ids).flat());
  const gateway = watchGateway(ids.gateway[0]);
  const ticks: Tick[] = [];
  let start = now();
  let steadyFrom = Infinity;
  let machineFrom = machineTime();
  /** Requests and failures from before the latencies were counted anew. */
  const early = { requests: 0, failures: 0 };
  const errors = new Map<string, number>();
  let endedEarly: string | null = null;
  let ended: Ended | undefined;
  const request = parseRequest({
    users: String(plan.users),
    "spawn-rate": String(plan.spawnRate),
    "run-time": `${loadTime(plan)}s`,
    "warm-up": `${warmUp(plan)}s`,
    "stop-timeout": "3s",
  });
  const hear = (event: RunEvent): void => {
    if (event.type === "started") start = event.at;
    if (event.type === "ended") ended = event;
    if (event.type === "failures") {
      for (const { error, occurrences } of event.rows) errors.set(error, occurrences);
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
      (watch.count("ended", ids.service) > 0 ? "a replica ended under the load" : undefined) ??
      hopeless(slo, plan, ticks, early.failures) ??
      null;
    if (endedEarly !== null) run.stop();
  };
  const run = driveLoad(master, request, hear);
  try {
    await run.done;
  } finally {
    // Whatever happened, nobody goes on watching.
    await gateway.stop();
    watch.close();
  }
  if (ended === undefined) throw new UserError("the load ended without a result.");
  const total = ended.histograms.find(({ method }) => method === "");
  const histogram = Histogram.fromData(total?.data ?? { counts: [], sum: 0, min: 0, max: 0 });
  const series = ticks.map((tick) => secondOf(start, tick));
  const from = Math.min(steadyFrom, start + warmUp(plan));
  // A load that ended before its steady part is judged, as far as it got, by all of it.
  const steady = ticks.filter(({ at }) => at > from + 1);
  const since = steady.length > 2 ? from : start;
  const use = (...parts: WatchedPart[]): Use | null => {
    const found = watch.since(
      since,
      parts.flatMap((part) => ids[part]),
    );
    const [part] = parts;
    return part === undefined || found.pairs.length === 0
      ? null
      : useOf(found.pairs, limits[part], found.peak);
  };
  const machineTo = machineTime();
  const view = gateway.view();
  const last = ticks.at(-1);
  const seenFailures = early.failures + (sumSeconds(ended) ?? last?.total.failures ?? 0);
  const seen: Observation = {
    notReady: null,
    endedEarly,
    generatorLimited: errors.has(nameLost) ? nameLostText : ended.limited,
    users: last?.users ?? 0,
    usersAsked: plan.users,
    outOfMemory: watch.count("outOfMemory", ids.service),
    restarts: watch.count("ended", ids.service),
    service: use("service"),
    gateway: use("gateway"),
    generator: use("worker"),
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

/** Looks at the gateway's own counters every two seconds. */
function watchGateway(id: string): {
  stop: () => Promise<void>;
  view: () => GatewayView | null;
} {
  let first: Awaited<ReturnType<typeof gatewayCounters>>;
  let last: typeof first;
  let queue = 0;
  const look = async (): Promise<void> => {
    const counters = await gatewayCounters(id);
    if (counters === undefined) return;
    first ??= counters;
    last = counters;
    queue = Math.max(queue, counters.waiting);
  };
  void look();
  const timer = setInterval(() => void look(), 2000);
  return {
    stop: () => {
      clearInterval(timer);
      return look();
    },
    view: () =>
      first && last
        ? { queue, errors: last.errors - first.errors, retries: last.retries - first.retries }
        : null,
  };
}
