import * as pulumi from "@pulumi/pulumi";
import type { StackConfig } from "./config.ts";
import type { TrafficNetwork } from "./networks.ts";
import { runWorkload } from "./workload.ts";

export interface LoadTestArgs {
  readonly stack: string;
  readonly image: pulumi.Input<string>;
  readonly network: TrafficNetwork;
  readonly target: string;
  readonly config: Pick<
    StackConfig,
    "platform" | "cpus" | "memory" | "replicas" | "bind" | "loadtestPort" | "loadtestWorkers"
  >;
  /** What a finished run is remembered with. */
  readonly facts: { readonly image: pulumi.Input<string>; readonly model: string };
}
