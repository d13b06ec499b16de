// Whoever sees what a load does to a stack: the one place where a trial knows a container from a task.
import type { Gateways } from "../../infra/gateway-stats.ts";
import type { Platform } from "../../infra/workload.ts";
import type { Tick } from "../events.ts";
import type { Use } from "./observation.ts";
import type { Limits } from "./space.ts";
import { ContainerWatch } from "./watch-containers.ts";
import { SwarmWatch } from "./watch-swarm.ts";

export type UsedPart = "service" | "gateway" | "worker";

/** What befell replicas since they are watched. */
export interface Losses {
  readonly ended: number;
  readonly outOfMemory: number;
}

export interface Watch {
  /** Id of the container of the load test's master. */
  readonly master: string;
  readonly gateways: Gateways;
  losses(ticks: readonly Tick[]): Losses;
  /**
   * What a part used from a moment (Unix seconds) on; null where nobody saw it.
   * @param ticks of the load so far
   */
  use(part: UsedPart, since: number, ticks: readonly Tick[]): Use | null;
  close(): void;
}

/**
 * Watches a stack once exactly the declared replicas run: one of another trial would answer for them.
 * @throws UserError when they do not within half a minute, or a part is missing
 */
export function watchStack(platform: Platform, stack: string, declared: Limits): Promise<Watch> {
  return platform === "swarm"
    ? SwarmWatch.begin(stack, declared)
    : ContainerWatch.begin(stack, declared);
}
