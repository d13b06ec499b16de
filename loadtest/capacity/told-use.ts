// What replicas and workers used, as they told the load test, wherever they run. Pure.
import type { ReplicaSample, Tick, WorkerRow } from "../events.ts";
import type { PartLimits, Use } from "./observation.ts";

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);

const known = (values: readonly (number | null)[]): number[] =>
  values.filter((value) => value !== null);

/** What each said over time: a starved one misses a second now and then. */
function byName<T>(
  ticks: readonly Tick[],
  rows: (tick: Tick) => readonly T[],
  name: (row: T) => string,
): Map<string, T[]> {
  return Map.groupBy(ticks.flatMap(rows), name);
}

const replicas = (ticks: readonly Tick[]): Map<string, ReplicaSample[]> =>
  byName(
    ticks,
    (tick) => tick.replicas,
    ({ address }) => address,
  );

/** Without what is told once more while the next look still waits for its answer. */
const news = (samples: readonly ReplicaSample[]): ReplicaSample[] =>
  samples.filter((sample, i) => JSON.stringify(sample) !== JSON.stringify(samples[i - 1]));

/** How far a counter went while it was watched. */
const rise = (values: readonly (number | null)[]): number => {
  const numbers = known(values);
  return (numbers.at(-1) ?? 0) - (numbers[0] ?? 0);
};

/**
 * @param ticks of all the load: who is silent under it may have been heard before
 * @param limits of each replica
 * @param count replicas that there are
 * @param since Unix seconds from which on it counts
 * @returns null where no replica ever said anything
 */
export function replicasUse(
  ticks: readonly Tick[],
  limits: PartLimits,
  count: number,
  since = 0,
): Use | null {
  if (replicas(ticks).size === 0) return null;
  const counted = ticks.filter(({ at }) => at >= since);
  const each = [...replicas(counted).values()].map(news);
  const said = each.flat();
  return {
    containers: each.length,
    cpu: each.reduce((sum, samples) => sum + mean(known(samples.map(({ cpu }) => cpu))), 0),
    cpuLimit: limits.cpus * each.length,
    throttled: mean(known(said.map(({ throttled }) => throttled))),
    unheard: Math.max(0, 1 - said.length / Math.max(1, counted.length * count)),
    memory: Math.max(0, ...known(said.map(({ memory }) => memory))) / 1024 ** 2,
    memoryLimit: limits.memory,
    memoryHits: each.reduce(
      (sum, samples) => sum + rise(samples.map(({ memoryHits }) => memoryHits)),
      0,
    ),
  };
}

/** Processes of replicas that the kernel killed for want of memory while their containers lived on. */
export const memoryKills = (ticks: readonly Tick[]): number =>
  [...replicas(ticks).values()].reduce(
    (sum, samples) => sum + rise(samples.map(({ memoryKills: kills }) => kills)),
    0,
  );

/** @returns null where there was no worker */
export function workersUse(ticks: readonly Tick[], limits: PartLimits): Use | null {
  const each = [
    ...byName<WorkerRow>(
      ticks,
      ({ workers }) => workers,
      ({ id }) => id,
    ).values(),
  ];
  if (each.length === 0) return null;
  return {
    containers: each.length,
    cpu: each.reduce((sum, rows) => sum + mean(rows.map(({ cpu }) => cpu)), 0),
    cpuLimit: limits.cpus * each.length,
    // No worker says how often it was held back, nor that it met a limit: the load test itself tells
    // when its workers were the limit.
    throttled: 0,
    unheard: 0,
    memory: Math.max(...each.flat().map(({ memory }) => memory)) / 1024 ** 2,
    memoryLimit: limits.memory,
    memoryHits: 0,
  };
}
