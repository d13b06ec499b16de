import * as pulumi from "@pulumi/pulumi";
import { EMBEDDED } from "../service/settings.ts";
import { START_CPU_SECONDS } from "../service/sizing.ts";
import { graceFor } from "../service/times.ts";
import type { StackConfig } from "./config.ts";
import type { Dependencies } from "./dependencies/index.ts";
import { answersOk } from "./health-check.ts";
import type { TrafficNetwork } from "./networks.ts";
import type { StackIdentity } from "./stack-identity.ts";
import type { Cpus } from "./units.ts";
import { runWorkload, type Workload } from "./workload.ts";

/** Where each replica listens. */
export const servicePort = 8000;
/** Where each replica tells its metrics: no gateway knows it. */
export const metricsPort = 9000;

/** Named to it, so that it does not start without them. */
const settingsFile = "/run/inference/settings.json";

/** Where the image has a folder that the service owns. */
const cacheFolder = "/var/cache/inference";

/**
 * How long the start of a replica may take: a model is read over the network where it comes from a
 * registry, and a small share of a core takes its time for what a whole one does at once.
 */
export const startSeconds = (cpus: Cpus, fromRegistry: boolean): number =>
  Math.max(fromRegistry ? 150 : 30, Math.ceil(START_CPU_SECONDS / cpus));

/**
 * Processes and threads that a replica may have at once. It has a process of eight threads for each core,
 * another while a model is tried, and a health check's: under twenty with one core, and no more under load.
 */
const mostProcesses = (cpus: Cpus): number => 128 + 64 * Math.ceil(cpus);

export interface InferenceServiceArgs {
  readonly stack: StackIdentity;
  readonly image: pulumi.Input<string>;
  readonly network: TrafficNetwork;
  /** Where models come from; the embedded one without. */
  readonly dependencies: Dependencies | undefined;
  /** There is room for a replica to start before another stops. */
  readonly startFirst: boolean;
  readonly config: Pick<
    StackConfig,
    "platform" | "cpus" | "memory" | "replicas" | "deadline" | "overcommit" | Told
  >;
}

/** The keys of a stack that are settings of the service under the same name. */
type Told =
  | "maxBody"
  | "maxRows"
  | "batching"
  | "http2"
  | "logLevel"
  | "allowContractChange"
  | "registryInterval";

const serviceSettings = (config: Pick<StackConfig, Told>): Readonly<Record<Told, unknown>> => ({
  maxBody: `${config.maxBody}B`,
  maxRows: config.maxRows,
  batching: config.batching,
  http2: config.http2,
  logLevel: config.logLevel,
  allowContractChange: config.allowContractChange,
  registryInterval: `${config.registryInterval}ms`,
});

/** The replicas that answer predictions. */
export class InferenceService extends pulumi.ComponentResource {
  readonly workload: Workload;

  constructor(name: string, args: InferenceServiceArgs, opts?: pulumi.ComponentResourceOptions) {
    super("inference-stack:index:InferenceService", name, {}, opts);
    const { stack, image, network, dependencies, startFirst, config } = args;
    this.workload = runWorkload(
      config.platform,
      name,
      {
        stack,
        part: "service",
        image,
        command: ["node", "/app/start.mjs", "--settings", settingsFile],
        replicas: config.replicas,
        cpus: config.cpus,
        memory: config.memory,
        processes: mostProcesses(config.cpus),
        reserve: !config.overcommit,
        networks: [
          { network, alias: network.serviceName },
          // Somebody else's, or the dependencies' own: no name of ours on it.
          ...(dependencies?.network ? [{ network: dependencies.network }] : []),
        ],
        files: [
          {
            path: settingsFile,
            // A replica cannot find out what image it runs in; who measures it asks it for that.
            content: pulumi
              .all([image, pulumi.output(dependencies?.settings ?? { modelFile: EMBEDDED })])
              .apply(([running, registry]) =>
                JSON.stringify({
                  ...serviceSettings(config),
                  host: "0.0.0.0",
                  metricsPort,
                  deadline: `${config.deadline}ms`,
                  image: running,
                  ...registry,
                }),
              ),
          },
          ...(dependencies?.files ?? []),
        ],
        // The last model, for a start while the registry is away.
        ...(dependencies ? { data: [{ target: cacheFolder, keep: false }] } : {}),
        healthCheck: answersOk(servicePort, "/readyz"),
        startSeconds: startSeconds(config.cpus, dependencies !== undefined),
        // It ends by itself within its grace.
        stopGraceSeconds: Math.ceil(graceFor(config.deadline) / 1000) + 2,
        replaceInPlace: !startFirst,
      },
      { parent: this },
    );
    this.registerOutputs({});
  }
}
