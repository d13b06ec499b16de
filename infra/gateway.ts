import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { publishedAt } from "./address.ts";
import type { StackConfig } from "./config.ts";
import { dockerHost } from "./engine.ts";
import {
  gatewayConfig,
  gatewayPort,
  gatewayStatsPort,
  gatewaySysctls,
  gatewayTimes,
} from "./gateway-config.ts";
import { answersOk, isAlive } from "./health-check.ts";
import type { TrafficNetwork } from "./networks.ts";
import type { StackIdentity } from "./stack-identity.ts";
import { runWorkload, type WorkloadArgs } from "./workload.ts";

export interface GatewayArgs {
  readonly stack: StackIdentity;
  readonly image: pulumi.Input<string>;
  readonly network: TrafficNetwork;
  readonly config: Pick<
    StackConfig,
    "deadline" | "bind" | "apiPort" | "gateways" | "maxBody" | "maxRows" | "cpus" | "memory"
  >;
}

/** Where the image has a folder that HAProxy owns. */
const configFolder = "/config";

/**
 * HAProxy in front of all replicas: a container, on Swarm too, because its port can then be bound to an
 * address, and it is hardened fully. It stays while its configuration changes: that is handed in and
 * taken over in place. Several of them are a Swarm service, replaced one by one.
 */
export class Gateway extends pulumi.ComponentResource {
  readonly url: pulumi.Output<string>;
  /** Inside the network. */
  readonly internalUrl: pulumi.Output<string>;

  constructor(name: string, args: GatewayArgs, opts?: pulumi.ComponentResourceOptions) {
    super("inference-stack:index:Gateway", name, {}, opts);
    const { network, config } = args;
    const { deadline, gateways } = config;
    const text = pulumi
      .output(network.serviceName)
      .apply((serviceName) => gatewayConfig({ ...config, serviceName }));
    const workload: WorkloadArgs = {
      stack: args.stack,
      part: "gateway",
      image: args.image,
      replicas: gateways,
      cpus: 1,
      memory: 256,
      networks: [{ network, alias: network.gatewayName }],
      scratch: { "/run/haproxy": 1 },
      sysctls: gatewaySysctls,
      publish: { inside: gatewayPort, outside: config.apiPort, bind: config.bind },
      healthCheck: answersOk(gatewayStatsPort, "/healthz"),
      stopGraceSeconds: gatewayTimes(deadline).stopGraceSeconds,
      replaceInPlace: true,
    };
    const running =
      gateways > 1 ? this.#service(name, workload, text) : this.#container(name, workload, text);
    this.internalUrl = pulumi.interpolate`http://${network.gatewayName}:${gatewayPort}`;
    this.url = running.apply(() => `http://${publishedAt(config.bind)}:${config.apiPort}`);
    this.registerOutputs({ url: this.url });
  }

  /** Known when it serves. */
  #container(
    name: string,
    workload: WorkloadArgs,
    text: pulumi.Input<string>,
  ): pulumi.Output<unknown> {
    const container = runWorkload(
      "container",
      name,
      // Alive is enough: it waits for its configuration.
      { ...workload, volumes: [configFolder], healthCheck: isAlive },
      { parent: this },
    );
    const id = container.ids[0] ?? pulumi.output("");
    const configured = new command.local.Command(
      `${name}-config`,
      {
        create: `docker -H "$DOCKER_HOST" exec -i "$GATEWAY" /gateway/reload`,
        environment: { GATEWAY: id, DOCKER_HOST: dockerHost() },
        stdin: text,
        triggers: [id],
      },
      { parent: this },
    );
    return configured.stdout;
  }

  #service(
    name: string,
    workload: WorkloadArgs,
    text: pulumi.Input<string>,
  ): pulumi.Output<unknown> {
    const files = [{ path: `${configFolder}/haproxy.cfg`, content: text }];
    const service = runWorkload("swarm", name, { ...workload, files }, { parent: this });
    return service.ids[0] ?? pulumi.output("");
  }
}
