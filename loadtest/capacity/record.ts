// One trial as it is kept: what was tried, what was found, and what it rests on.
import type { Observation, Second } from "./observation.ts";
import type { Purpose, Tried } from "./search.ts";
import type { Verdict } from "./verdict.ts";

export interface TrialRecord extends Verdict, Tried {
  readonly purpose: Purpose | "declared";
  /** Unix seconds. */
  readonly at: number;
  /** Seconds that it took: bringing the stack up, the load, and all of it. */
  readonly took: { readonly up: number; readonly load: number; readonly total: number };
  /** Id of the service's image. */
  readonly image: string;
  /** Over the steady part, ms; null where nothing was measured. */
  readonly latency: {
    readonly p50: number;
    readonly p95: number;
    readonly p99: number;
    readonly max: number;
  } | null;
  readonly rps: number;
  readonly requests: number;
  readonly failures: number;
  /** How often each kind of failure was counted. */
  readonly errors: Readonly<Record<string, number>>;
  readonly seen: Omit<Observation, "seconds">;
  /** All of the load, from its first second on. */
  readonly series: readonly Second[];
}
