// Whether the generator itself was the limit. Judged for one worker over one second, from what it
// saw of itself; a run is called limited when that was so for a good part of it.

/** What one worker saw of itself over about a second. */
export interface SelfWatch {
  /** Share of one core in use, 0..1: an engine is one thread. */
  cpu: number;
  /** 99th percentile of how late requests left after their intended moments, ms. */
  lagMs: number;
  /** Arrivals of an open loop that could not be sent at all. */
  dropped: number;
}

export const cpuLimit = 0.9;
export const lagLimitMs = 100;

/** Why a worker was the limit in a second, or null. */
export function limitOf({ cpu, lagMs, dropped }: SelfWatch): string | null {
  if (dropped > 0) return `${dropped} requests could not be sent when they were due`;
  if (cpu >= cpuLimit) return `its CPU was ${Math.round(cpu * 100)}% busy`;
  if (lagMs >= lagLimitMs) return `requests left ${Math.round(lagMs)} ms late`;
  return null;
}

/** Failures that are the generator's own doing. */
export const ownFailure = (error: string): boolean => error.startsWith("generator out of ");

/** Counts seconds and says, at the end, whether the run is about the generator. */
export class LimitJudge {
  #seconds = 0;
  #limited = 0;
  readonly #reasons = new Map<string, number>();
  #hard: string | null = null;

  /** One second of the whole run, limited by the first of `reasons` or by none. */
  second(reasons: readonly string[]): void {
    this.#seconds += 1;
    if (reasons.length === 0) return;
    this.#limited += 1;
    const reason = reasons[0]!;
    const kind = reason.replace(/\d+/g, "#");
    this.#reasons.set(kind, (this.#reasons.get(kind) ?? 0) + 1);
  }

  /** Something no number of good seconds makes up for. */
  always(reason: string): void {
    this.#hard ??= reason;
  }

  reset(): void {
    this.#seconds = 0;
    this.#limited = 0;
    this.#reasons.clear();
    this.#hard = null;
  }

  verdict(): string | null {
    if (this.#hard !== null) return this.#hard;
    // A hiccup is not a limit: a fifth of the run, and three seconds at least.
    if (this.#limited < Math.max(3, this.#seconds / 5)) return null;
    const [kind] = [...this.#reasons].sort((a, b) => b[1] - a[1])[0]!;
    const why = kind.startsWith("its CPU")
      ? `the generator's CPU was over ${cpuLimit * 100}% busy`
      : kind.startsWith("requests left")
        ? `requests left over ${lagLimitMs} ms late`
        : "requests could not be sent when they were due";
    return `${why} in ${this.#limited} of ${this.#seconds} seconds`;
  }
}
