import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
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
import { labelList } from "./stack-identity.ts";
import type { TrafficNetwork } from "./networks.ts";
import type { StackIdentity } from "./stack-identity.ts";
import { runWorkload, type WorkloadArgs } from "./workload.ts";

export interface GatewayArgs {
  readonly stack: StackIdentity;
  readonly image: pulumi.Input<string>;
  /** Id of one with Perl that stays when the gateway's changes: what the published port is held with. */
  readonly listenerImage: string;
  /** A gateway of an earlier version publishes the port itself: it has to go first. */
  readonly portHeld: boolean;
  readonly network: TrafficNetwork;
  readonly config: Pick<
    StackConfig,
    | "deadline"
    | "bind"
    | "apiPort"
    | "gateways"
    | "maxBody"
    | "maxRows"
    | "cpus"
    | "memory"
    | "http2"
    | "imagePaths"
  >;
}

/** Where the image has a folder that HAProxy owns. */
const configFolder = "/config";
/** Every image has it, and anybody may write there: the socket that the listener is asked over. */
const socketFolder = "/var/tmp";

/**
 * Healthy is a gateway through which a replica says that it is ready; and one that has no configuration
 * yet, which it is given once it runs.
 */
const reachesReplica = answersOk(gatewayPort, "/readyz", `${configFolder}/haproxy.cfg`);

/**
 * HAProxy in front of all replicas: a container, on Swarm too, because its port can then be bound to an
 * address, and it is hardened fully. It stays while its configuration changes: that is handed in and
 * taken over in place. Its port is held by another, tiny container, which hands the listening socket on:
 * so it can be replaced, or start again after it was killed, while clients wait and are not refused.
 * Several of them are a Swarm service, replaced one by one, each with its own port.
 */
export class Gateway extends pulumi.ComponentResource {
  readonly url: pulumi.Output<string>;
  /** Inside the network. */
  readonly internalUrl: pulumi.Output<string>;

  constructor(name: string, args: GatewayArgs, opts?: pulumi.ComponentResourceOptions) {
    super("inference-stack:index:Gateway", name, {}, opts);
    const { network, config } = args;
    const { deadline, gateways } = config;
    const workload: WorkloadArgs = {
      stack: args.stack,
      part: "gateway",
      image: args.image,
      replicas: gateways,
      cpus: 1,
      memory: 256,
      networks: [{ network }],
      scratch: { "/run/haproxy": 1 },
      sysctls: gatewaySysctls,
      healthCheck: answersOk(gatewayStatsPort, "/healthz"),
      stopGraceSeconds: gatewayTimes(deadline).stopGraceSeconds,
    };
    const text = (listener: boolean) =>
      pulumi.output(network.serviceName).apply((serviceName) =>
        gatewayConfig({
          ...config,
          serviceName,
          listener,
          ...(config.imagePaths ? { paths: config.imagePaths } : {}),
        }),
      );
    const running =
      gateways > 1
        ? this.#service(name, workload, args, text(false))
        : this.#container(name, workload, args, text(true));
    this.internalUrl = pulumi.interpolate`http://${network.gatewayName}:${gatewayPort}`;
    this.url = running.apply(() => `http://${publishedAt(config.bind)}:${config.apiPort}`);
    this.registerOutputs({ url: this.url });
  }

  /** Known when it serves. */
  #container(
    name: string,
    workload: WorkloadArgs,
    args: GatewayArgs,
    text: pulumi.Input<string>,
  ): pulumi.Output<unknown> {
    const { stack, portHeld } = args;
    const child = { parent: this };
    const sockets = new docker.Volume(
      `${name}-sockets`,
      { labels: labelList(stack, "listener") },
      child,
    );
    const shared = [{ source: sockets.name, target: socketFolder }];
    const container = runWorkload(
      "container",
      name,
      {
        ...workload,
        command: ["/gateway/start", socketFolder],
        volumes: [configFolder],
        shared,
        healthCheck: reachesReplica,
        replaceInPlace: portHeld,
      },
      child,
    );
    this.#listener("listener", workload, args, shared, container);
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

  /** The container that holds the port, and the name, for whichever gateway there is. */
  #listener(
    name: string,
    { stack }: WorkloadArgs,
    { listenerImage, network, config, portHeld }: GatewayArgs,
    shared: NonNullable<WorkloadArgs["shared"]>,
    gateway: pulumi.Resource,
  ): pulumi.Resource {
    const script = readFileSync(join(import.meta.dirname, "gateway/listen"), "utf8");
    return runWorkload(
      "container",
      name,
      {
        stack,
        part: "listener",
        image: listenerImage,
        command: ["perl", "-e", script, socketFolder, String(gatewayPort)],
        replicas: 1,
        cpus: 0.1,
        memory: 32,
        networks: [{ network, alias: network.gatewayName }],
        shared,
        publish: { inside: gatewayPort, outside: config.apiPort, bind: config.bind },
        healthCheck: isAlive,
        stopGraceSeconds: 5,
        replaceInPlace: true,
        keepImage: true,
      },
      { parent: this, dependsOn: portHeld ? [gateway] : [] },
    );
  }

  #service(
    name: string,
    workload: WorkloadArgs,
    { network, config }: GatewayArgs,
    text: pulumi.Input<string>,
  ): pulumi.Output<unknown> {
    const service = runWorkload(
      "swarm",
      name,
      {
        ...workload,
        networks: [{ network, alias: network.gatewayName }],
        files: [{ path: `${configFolder}/haproxy.cfg`, content: text }],
        publish: { inside: gatewayPort, outside: config.apiPort, bind: config.bind },
        replaceInPlace: true,
      },
      { parent: this },
    );
    return service.ids[0] ?? pulumi.output("");
  }
}
