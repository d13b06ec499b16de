import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { durationText, uid } from "./container-workload.ts";
import { nameFor } from "./random.ts";
import { labelList, ownName, taskLabelList } from "./stack-identity.ts";
import type { Workload, WorkloadArgs } from "./workload.ts";

const mebibyte = 1024 ** 2;

/**
 * Added to what a task may take to stop. The provider waits for a service's containers until the moment
 * that Swarm kills them, and calls it a failure when one was not gone before.
 */
const slackSeconds = 15;

/** How long Swarm watches a task that runs before it updates the next. */
const monitorSeconds = 5;

/** For nodes to pull an image, over a slow network too. */
const pullSeconds = 120;

/** After 20 minutes the provider gives up whatever it was told, and does not say what did not converge. */
const mostSeconds = 19 * 60;

/** A file of the workload, as Swarm hands it to each task. */
interface TaskFile {
  readonly path: string;
  readonly secretId: pulumi.Input<string>;
  readonly secretName: pulumi.Input<string>;
}

/**
 * One at a time, the new one healthy before the old one is told to stop, unless it needs what the old
 * one has.
 */
const oneByOne = (replaceInPlace = false) => ({
  parallelism: 1,
  order: replaceInPlace ? "stop-first" : "start-first",
  monitor: durationText(monitorSeconds),
  maxFailureRatio: "0.0",
});

type Pace = Pick<WorkloadArgs, "replicas" | "startSeconds" | "stopGraceSeconds">;

const startSeconds = (args: Pace): number => args.startSeconds ?? 30;
const stopSeconds = (args: Pace): number => args.stopGraceSeconds + slackSeconds;

/**
 * How long a service may take, seconds, until it is as declared: each node pulls the image, then each
 * replica in its turn starts, is watched, and its predecessor stops. Who fails is found out before.
 */
export function convergeSeconds(args: Pace): number {
  const each = startSeconds(args) + monitorSeconds + stopSeconds(args);
  return Math.min(pullSeconds + args.replicas * each, mostSeconds);
}

/** What is declared for a workload that Swarm runs. */
export function serviceArgs(
  name: string,
  args: WorkloadArgs,
  files: readonly TaskFile[],
): docker.ServiceArgs {
  const amount = { nanoCpus: Math.round(args.cpus * 1e9), memoryBytes: args.memory * mebibyte };
  return {
    name: ownName(args.stack, name),
    labels: labelList(args.stack, args.part),
    mode: { replicated: { replicas: args.replicas } },
    // Each replica by its own address: a virtual one would pin kept-alive connections to one replica.
    endpointSpec: {
      mode: "dnsrr",
      ...(args.publish
        ? {
            ports: [
              {
                protocol: "tcp",
                targetPort: args.publish.inside,
                publishedPort: args.publish.outside,
                publishMode: "host",
              },
            ],
          }
        : {}),
    },
    taskSpec: {
      containerSpec: {
        image: args.image,
        ...(args.command ? { args: [...args.command] } : {}),
        labels: taskLabelList(args.stack, args.part),
        user: `${uid}:${uid}`,
        readOnly: true,
        capDrops: ["ALL"],
        ...(args.sysctls ? { sysctl: args.sysctls } : {}),
        mounts: [
          // Data too: a name would mean another volume on each node, and stay there.
          ...[...(args.volumes ?? []), ...(args.data ?? []).map(({ target }) => target)].map(
            (target) => ({ type: "volume", target }),
          ),
          ...Object.entries({ "/tmp": 16, ...args.scratch }).map(([target, mib]) => ({
            type: "tmpfs",
            target,
            tmpfsOptions: { sizeBytes: mib * mebibyte },
          })),
        ],
        secrets: files.map(({ path, secretId, secretName }) => ({
          secretId,
          secretName,
          fileName: path,
          fileUid: String(uid),
          fileGid: String(uid),
          fileMode: 0o400,
        })),
        healthcheck: {
          tests: ["CMD", ...args.healthCheck],
          interval: "3s",
          // Swarm ends a task that is found unhealthy. One that is merely starved has its time: to end
          // it would leave the others with more to do.
          timeout: "10s",
          retries: 6,
          startPeriod: durationText(startSeconds(args)),
        },
        stopGracePeriod: durationText(stopSeconds(args)),
      },
      networksAdvanceds: args.networks.map(({ network, alias }) => ({
        id: network.id,
        ...(alias === undefined ? {} : { aliases: [alias] }),
      })),
      resources: { limits: amount, ...(args.reserve ? { reservation: amount } : {}) },
      // `window` as the engine reads it back.
      restartPolicy: { condition: "any", delay: "1s", window: "0s" },
      // Nodes without the label are one zone; within a zone Swarm takes the node with the fewest.
      placement: {
        prefs: ["spread=node.labels.zone"],
        // A node has each port once.
        ...(args.publish ? { maxReplicas: 1 } : {}),
      },
      logDriver: { name: "json-file", options: { "max-size": "10m", "max-file": "3" } },
    },
    updateConfig: { ...oneByOne(args.replaceInPlace), failureAction: "rollback" },
    rollbackConfig: { ...oneByOne(args.replaceInPlace), failureAction: "pause" },
    convergeConfig: { delay: "1s", timeout: durationText(convergeSeconds(args)) },
  };
}

/**
 * A workload as a Swarm service. Its files are Swarm secrets: a changed one
 * is made beside its predecessor, which goes when no task uses it any more.
 */
export class ServiceWorkload extends pulumi.ComponentResource implements Workload {
  readonly ids: readonly pulumi.Output<string>[];

  constructor(name: string, args: WorkloadArgs, opts: pulumi.ComponentResourceOptions) {
    super("inference-stack:index:ServiceWorkload", name, {}, opts);
    const child = { parent: this };
    const networks = args.networks.map(({ network }) => network.id);
    const files = (args.files ?? []).map(({ path, content }) => {
      const short = path.split("/").at(-1) ?? path;
      // The network's id is asked for so that there is a Swarm to put the secret into.
      const known = pulumi.all([content, pulumi.all(networks)]).apply(([text]) => text);
      const secret = new docker.Secret(
        `${name}-${short}`,
        {
          name: nameFor(known, `${name}-${short}`, child).apply((own) =>
            ownName(args.stack, `${name}-${own}`),
          ),
          data: pulumi.secret(known.apply((text) => Buffer.from(text).toString("base64"))),
          labels: labelList(args.stack, args.part),
        },
        // What has a given name is deleted first otherwise, which Swarm refuses while tasks use it.
        { ...child, deleteBeforeReplace: false },
      );
      return { path, secretId: secret.id, secretName: secret.name };
    });
    const service = new docker.Service(name, serviceArgs(name, args, files), {
      ...child,
      // An update is one in place; where a search asks for new replicas, the name has to be free first.
      deleteBeforeReplace: true,
      // The engine reads them from an image in a registry, and from no other.
      ignoreChanges: ["taskSpec.placement.platforms"],
    });
    this.ids = [service.id];
    this.registerOutputs({ ids: this.ids });
  }
}
