import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import type { StackConfig } from "./config.ts";
import { dockerHost } from "./engine.ts";
import { gatewayConfig, gatewayPort } from "./gateway-config.ts";
import { isAlive } from "./health-check.ts";
import type { TrafficNetwork } from "./networks.ts";
import { runWorkload } from "./workload.ts";

export interface GatewayArgs {
  readonly stack: string;
  readonly image: pulumi.Input<string>;
  readonly network: TrafficNetwork;
  readonly config: Pick<StackConfig, "deadline" | "bind" | "apiPort">;
}

/**
 * HAProxy in front of all replicas. Its container stays while its configuration changes: that is
 * handed in and taken over in place.
 */
export class Gateway extends pulumi.ComponentResource {
  readonly url: pulumi.Output<string>;
  /** Inside the network. */
  readonly internalUrl: string;

  constructor(name: string, args: GatewayArgs, opts?: pulumi.ComponentResourceOptions) {
    super("inference-stack:index:Gateway", name, {}, opts);
    const { stack, network, config } = args;
    const container = runWorkload(
      // A container on Swarm too: its ports can be bound to an address, and it is hardened fully.
      "container",
      name,
      {
        stack,
        part: "gateway",
        image: args.image,
        replicas: 1,
        cpus: 1,
        memory: 256,
        networks: [{ network, alias: network.gatewayName }],
        volumes: ["/config"],
        scratch: { "/run/haproxy": 1 },
        publish: { inside: gatewayPort, outside: config.apiPort, bind: config.bind },
        // Alive, even while it waits for its configuration.
        healthCheck: isAlive,
        stopGraceSeconds: 20,
        replaceInPlace: true,
      },
      { parent: this },
    );
    const id = container.ids[0] ?? pulumi.output("");
    const configured = new command.local.Command(
      `${name}-config`,
      {
        create: `docker -H "$DOCKER_HOST" exec -i "$GATEWAY" /gateway/reload`,
        environment: { GATEWAY: id, DOCKER_HOST: dockerHost() },
        stdin: gatewayConfig({ serviceName: network.serviceName, deadline: config.deadline }),
        triggers: [id],
      },
      { parent: this },
    );
    this.internalUrl = `http://${network.gatewayName}:${gatewayPort}`;
    this.url = configured.stdout.apply(() => `http://${config.bind}:${config.apiPort}`);
    this.registerOutputs({ url: this.url });
  }
}
