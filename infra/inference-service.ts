import * as pulumi from "@pulumi/pulumi";
import type { StackConfig } from "./config.ts";
import type { TrafficNetwork } from "./networks.ts";
import { runWorkload, type Workload } from "./workload.ts";

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
        networks: [{ name: network.name, alias: network.serviceName }],
        files: [
          {
            path: "/run/inference/settings.json",
            content: JSON.stringify({ host: "0.0.0.0", deadline: `${config.deadline}ms` }),
          },
        ],
        // bash's own /dev/tcp: a second Node process would not fit the limits.
        healthCheck: [
          "bash",
          "-c",
          `exec 3<>/dev/tcp/127.0.0.1/8000 && printf 'GET /readyz HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && read -r line <&3 && [[ $line == *" 200 "* ]]`,
        ],
        // 3 s of being not ready, then what is in flight, at most the deadline.
        stopGraceSeconds: Math.ceil(config.deadline / 1000) + 10,
      },
      { parent: this },
    );
    this.registerOutputs({});
  }
}
