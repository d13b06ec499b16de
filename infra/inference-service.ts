import * as pulumi from "@pulumi/pulumi";
import type { StackConfig } from "./config.ts";
import { answersOk } from "./health-check.ts";
import type { TrafficNetwork } from "./networks.ts";
import { runWorkload, type Workload } from "./workload.ts";

/** Where each replica listens. */
export const servicePort = 8000;

export interface InferenceServiceArgs {
  readonly stack: string;
  readonly image: pulumi.Input<string>;
  readonly network: TrafficNetwork;
  readonly config: Pick<StackConfig, "platform" | "cpus" | "memory" | "replicas" | "deadline">;
}

/** The replicas that answer predictions. */
export class InferenceService extends pulumi.ComponentResource {
  readonly workload: Workload;

  constructor(name: string, args: InferenceServiceArgs, opts?: pulumi.ComponentResourceOptions) {
    super("inference-stack:index:InferenceService", name, {}, opts);
    const { stack, image, network, config } = args;
    this.workload = runWorkload(
      config.platform,
      name,
      {
        stack,
        part: "service",
        image,
        replicas: config.replicas,
        cpus: config.cpus,
        memory: config.memory,
        networks: [{ network, alias: network.serviceName }],
        files: [
          {
            path: "/run/inference/settings.json",
            content: JSON.stringify({ host: "0.0.0.0", deadline: `${config.deadline}ms` }),
          },
        ],
        healthCheck: answersOk(servicePort, "/readyz"),
        // 3 s of being not ready, then what is in flight, at most the deadline.
        stopGraceSeconds: Math.ceil(config.deadline / 1000) + 10,
      },
      { parent: this },
    );
    this.registerOutputs({});
  }
}
