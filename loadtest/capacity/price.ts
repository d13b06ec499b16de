// What a configuration costs: a price for each CPU and each GB that is reserved, an hour.
import type { Limits } from "./space.ts";

/** An hour, in any one currency. */
export interface Prices {
  readonly perCpu: number;
  /** For 1024 MiB. */
  readonly perGb: number;
}

/** The usual proportion of container platforms: a CPU costs about nine times a GB. */
export const defaultPrices: Prices = { perCpu: 0.04, perGb: 0.0045 };

/** Of all replicas together, an hour. */
export const cost = ({ cpus, memory, replicas }: Limits, prices: Prices): number =>
  replicas * (cpus * prices.perCpu + (memory / 1024) * prices.perGb);
