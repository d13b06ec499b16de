import * as pulumi from "@pulumi/pulumi";
import { publishedAt } from "./address.ts";
import { usualTimeout } from "../loadtest/run-request.ts";
import { isLoopback, type StackConfig } from "./config.ts";
import type { WorkloadFile } from "./files-volume.ts";
import { gatewayTimes } from "./gateway-config.ts";
import { answersOk, isAlive } from "./health-check.ts";
import { metricsPort, servicePort } from "./inference-service.ts";
import type { TrafficNetwork } from "./networks.ts";
import { randomSecret } from "./random.ts";
import type { StackIdentity } from "./stack-identity.ts";
import type { Milliseconds } from "./units.ts";
import { runWorkload, type WorkloadArgs } from "./workload.ts";

export interface LoadTestArgs {
  readonly stack: StackIdentity;
  readonly image: pulumi.Input<string>;
  readonly network: TrafficNetwork;
  /** The gateway, as it is reached inside the network. */
  readonly target: pulumi.Input<string>;
  readonly config: Pick<
    StackConfig,
    "platform" | "bind" | "loadtestPort" | "loadtestWorkers" | "deadline"
  >;
}

const folder = "/run/loadtest";
const masterPort = 8089;
const workerPort = 5557;

/**
 * A user waits longer than the gateway does. Said where that is longer than a user waits anyway, so that
 * other deadlines replace no load test.
 */
export const patience = (deadline: Milliseconds): { timeout?: number } => {
  const timeout = Math.ceil(gatewayTimes(deadline).hardStop / 1000);
  return timeout > usualTimeout ? { timeout } : {};
};

/**
 * The load test: a master with its web UI, and workers that send the requests. Nothing here changes
 * with the limits of the service: what a run was measured against is read from the replicas.
 */
export class LoadTest extends pulumi.ComponentResource {
  readonly url: pulumi.Output<string>;
  /** What the page asks for: of the network's containers, and of everybody where it is bound beyond loopback. */
  readonly token: pulumi.Output<string>;

  constructor(name: string, args: LoadTestArgs, opts?: pulumi.ComponentResourceOptions) {
    super("inference-stack:index:LoadTest", name, {}, opts);
    const { stack, network, config } = args;
    const child = { parent: this };
    const secret = randomSecret(`${name}-secret`, child);
    this.token = randomSecret(`${name}-token`, child);

    const settings = pulumi.jsonStringify({
      target: args.target,
      masterAddress: pulumi.interpolate`${network.loadtestName}:${workerPort}`,
      secretFile: `${folder}/secret`,
      tokenFile: `${folder}/token`,
      // Replicas run other people's models, and a network may be shared: only the host's own loopback is
      // nobody else's.
      tokenFor: isLoopback(config.bind) ? "containers" : "everybody",
      runsDir: "/runs",
      ...patience(config.deadline),
      stack: { name: stack.name, platform: config.platform },
      scrape: { dns: network.serviceName, port: servicePort, metricsPort },
      listen: { host: "0.0.0.0", port: masterPort, workerPort },
    });
    const files: WorkloadFile[] = [
      { path: `${folder}/settings.json`, content: settings },
      { path: `${folder}/secret`, content: secret },
    ];
    const token = { path: `${folder}/token`, content: this.token };
    const process = (role: "master" | "worker") => ({
      stack,
      image: args.image,
      command: ["node", "/app/main.mjs", role, "--settings", `${folder}/settings.json`],
      files: role === "master" ? [...files, token] : files,
      networks: [{ network, ...(role === "master" ? { alias: network.loadtestName } : {}) }],
      stopGraceSeconds: 10,
    });
    const master: WorkloadArgs = {
      ...process("master"),
      part: "loadtest",
      replicas: 1,
      cpus: 1,
      memory: 512,
      volumes: ["/runs"],
      publish: { inside: masterPort, outside: config.loadtestPort, bind: config.bind },
      healthCheck: answersOk(masterPort, "/healthz"),
      replaceInPlace: true,
    };
    // A container on Swarm too, like the gateway: it publishes a port, and keeps finished runs.
    runWorkload("container", name, master, child);
    runWorkload(
      config.platform,
      `${name}-worker`,
      {
        ...process("worker"),
        part: "worker",
        replicas: config.loadtestWorkers,
        cpus: 1,
        memory: 512,
        healthCheck: isAlive,
      },
      child,
    );
    this.url = pulumi.output(`http://${publishedAt(config.bind)}:${config.loadtestPort}`);
    this.registerOutputs({ url: this.url });
  }
}
