// How long the load of one trial goes on, and when it is known to be in vain.
import type { Tick } from "../events.ts";
import { quantileOf, type Objective } from "./slo.ts";

/** Seconds, except users. */
export interface LoadPlan {
  readonly users: number;
  readonly spawnRate: number;
  /** After all users are there, before latencies count: caches fill, code is compiled. */
  readonly settle: number;
  /** What latencies are taken from. */
  readonly steady: number;
}

export const ramp = ({ users, spawnRate }: LoadPlan): number => users / spawnRate;
/** From the first request until latencies count. */
export const warmUp = (plan: LoadPlan): number => Math.ceil(ramp(plan) + plan.settle);
export const loadTime = (plan: LoadPlan): number => warmUp(plan) + plan.steady;

/** Failures that an objective allows in one trial, at most; undefined where none speaks of them. */
function failuresAllowed(slo: readonly Objective[], plan: LoadPlan): number | undefined {
  const limits = slo
    .filter(({ metric }) => metric === "failures")
    .map(({ limit, unit }) =>
      // One request a second of each user is the most there can be with a second of thought.
      unit === "share" ? limit * plan.users * (loadTime(plan) - ramp(plan) / 2) : limit,
    );
  return limits.length === 0 ? undefined : Math.min(...limits);
}

/** Seconds of a load after which is known what there is to know of it. */
export const patience = 5;

/** What a user waits after each reply, in seconds. */
const thinkTime = 1;

/**
 * What a reply takes on average, in ms, once all users are there, if no more are answered a second than
 * now (Little's law): each user is either served or thinks.
 */
const foretold = ({ users }: LoadPlan, rps: number): number => (users / rps - thinkTime) * 1000;

/**
 * Says in words why a trial cannot pass any more, from its ticks so far; undefined while it can. A
 * latency is in vain when for some seconds on end it was over twice its limit without getting better,
 * or was on its way there: more users came and no more were answered, which foretells it.
 */
export function hopeless(
  slo: readonly Objective[],
  plan: LoadPlan,
  ticks: readonly Pick<Tick, "total">[],
  failuresBefore = 0,
): string | undefined {
  const last = ticks.at(-1)?.total;
  if (last === undefined) return undefined;
  const allowed = failuresAllowed(slo, plan);
  const failures = failuresBefore + last.failures;
  if (allowed !== undefined && failures > allowed) return `${failures} requests failed`;
  const recent = ticks.slice(-patience).map(({ total }) => total);
  if (recent.length < patience) return undefined;
  if (recent.every(({ rps }) => rps === 0)) return `no reply for ${patience} seconds`;
  for (const { metric, limit, unit } of slo) {
    const q = quantileOf(metric);
    if (unit !== "ms" || q === undefined) continue;
    // Of a higher quantile the one below it says less than it could, but never too much.
    const values = recent.map((row) => (q >= 0.99 ? row.p99 : q >= 0.95 ? row.p95 : row.p50));
    const [first = 0] = values;
    const now = values.at(-1) ?? 0;
    if (now <= 0.8 * first) continue;
    if (values.every((value) => value > 2 * limit)) {
      return `${metric} was ${Math.round(now)} ms after ${patience} seconds above twice its limit`;
    }
    // A small replica answers little at first, as long as its code is being compiled.
    if (ticks.length < 2 * patience) continue;
    const [before = 0] = recent.map(({ rps }) => rps);
    const queues = values.every((value) => value > limit / 2) && last.rps < 1.1 * before;
    if (queues && recent.every(({ rps }) => foretold(plan, rps) > 2 * limit)) {
      const then = Math.round(foretold(plan, last.rps));
      return `${metric} was ${Math.round(now)} ms, and ${Math.round(last.rps)} replies a second mean ${then} ms for ${plan.users} users`;
    }
  }
  return undefined;
}
