// What was seen of one trial, by all who watched it. Plain data.

/** Of one container: cores, MiB. */
export interface PartLimits {
  readonly cpus: number;
  readonly memory: number;
}

/** Counters of one container at one moment, since it started. */
export interface Counters {
  /** Unix seconds. */
  readonly at: number;
  readonly cpuSeconds: number;
  /** Scheduling periods of its CPU quota, and those in which it was held back. */
  readonly periods: number;
  readonly throttled: number;
  /** Bytes, without file pages that can be dropped. */
  readonly memory: number;
  /** How often it met its memory limit. */
  readonly memoryHits: number;
}

/** What a part of the stack used over the steady part of the load; of several containers the sum. */
export interface Use {
  readonly containers: number;
  /** Cores. */
  readonly cpu: number;
  readonly cpuLimit: number;
  /** Share of periods in which it was held back, 0..1. */
  readonly throttled: number;
  /** Share of the looks at it that it did not answer, 0..1; 0 where its engine counts for it. */
  readonly unheard: number;
  /** MiB, the most that one of them had. */
  readonly memory: number;
  readonly memoryLimit: number;
  readonly memoryHits: number;
}

export interface GatewayView {
  /** Requests waiting for a replica, the most that were seen. */
  readonly queue: number;
  /** Replies 5xx that it gave its clients. */
  readonly errors: number;
  /** Requests that it sent again. */
  readonly retries: number;
}

/** One second of the load. Latencies in ms. */
export interface Second {
  /** Since the load began. */
  readonly t: number;
  readonly users: number;
  readonly rps: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly failures: number;
}

export interface Observation {
  /** Why the configuration never got ready; then nothing else was measured. */
  readonly notReady: string | null;
  /** Why the load was ended before its time. */
  readonly endedEarly: string | null;
  /** Why the generator was the limit. */
  readonly generatorLimited: string | null;
  /** Users at the end, of those asked for. */
  readonly users: number;
  readonly usersAsked: number;
  /** Of the service's containers while they were watched. */
  readonly outOfMemory: number;
  readonly restarts: number;
  readonly service: Use | null;
  readonly gateway: Use | null;
  readonly generator: Use | null;
  readonly gatewayView: GatewayView | null;
  /** Share of all cores of the machine in use, 0..1; null when it cannot be seen from here. */
  readonly machine: number | null;
  /** The steady part. */
  readonly seconds: readonly Second[];
}

/** The difference of two moments of each container, summed. */
export function useOf(
  pairs: readonly (readonly [Counters, Counters])[],
  limits: PartLimits,
  peakBytes: number,
): Use {
  const sum = (of: (from: Counters, to: Counters) => number): number =>
    pairs.reduce((total, [from, to]) => total + of(from, to), 0);
  const periods = sum((from, to) => to.periods - from.periods);
  return {
    containers: pairs.length,
    cpu: sum((from, to) => (to.cpuSeconds - from.cpuSeconds) / Math.max(0.001, to.at - from.at)),
    cpuLimit: limits.cpus * pairs.length,
    throttled: periods <= 0 ? 0 : sum((from, to) => to.throttled - from.throttled) / periods,
    unheard: 0,
    memory: peakBytes / 1024 ** 2,
    memoryLimit: limits.memory,
    memoryHits: sum((from, to) => to.memoryHits - from.memoryHits),
  };
}
