import { posix } from "node:path";
import * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { label } from "../toolchain/clone.mjs";
import { dockerHost } from "./engine.ts";
import { FilesVolume } from "./files-volume.ts";
import { labelList, ownName } from "./stack-identity.ts";
import type { Workload, WorkloadArgs } from "./workload.ts";

/** The user of every image of this project. */
export const uid = 10001;

/** Hardening that no part of the stack goes without. */
const hardened = {
  user: `${uid}:${uid}`,
  readOnly: true,
  capabilities: { drops: ["ALL"] },
  securityOpts: ["no-new-privileges"],
  logDriver: "json-file",
  logOpts: { "max-size": "10m", "max-file": "3" },
  restart: "unless-stopped",
} satisfies Partial<docker.ContainerArgs>;

/** As the provider reads it back from the engine: anything else would look like drift. */
const cpusText = (cpus: number): string =>
  Number.isInteger(cpus) ? cpus.toFixed(1) : String(cpus);

/** As the engine writes a time: "30s", "1m0s", "2m30s". Anything else would look like drift. */
export const durationText = (seconds: number): string =>
  `${seconds >= 60 ? `${Math.floor(seconds / 60)}m` : ""}${seconds % 60}s`;

/** What is declared for one container of a workload. */
export function containerArgs(
  args: WorkloadArgs,
  files?: FilesVolume["mount"],
  data: readonly { readonly source: pulumi.Input<string>; readonly target: string }[] = [],
): docker.ContainerArgs {
  const startSeconds = args.startSeconds ?? 30;
  return {
    ...hardened,
    image: args.image,
    ...(args.command ? { command: [...args.command] } : {}),
    cpus: cpusText(args.cpus),
    memory: args.memory,
    // As much as memory: no swap.
    memorySwap: args.memory,
    labels: labelList(args.stack, args.part, {
      [label.networks]: pulumi
        .all(args.networks.map(({ network }) => network.id))
        .apply((ids) => ids.join(" ")),
    }),
    ...(args.networks.length === 0
      ? { networkMode: "none" }
      : {
          networksAdvanced: args.networks.map(({ network, alias }) => ({
            name: network.name,
            ...(alias === undefined ? {} : { aliases: [alias] }),
          })),
        }),
    mounts: [
      // Volumes without a name go with their container.
      ...(args.volumes ?? []).map((target) => ({ type: "volume", target })),
      ...[...data, ...(args.shared ?? [])].map(({ source, target }) => ({
        type: "volume",
        source,
        target,
      })),
      ...(files
        ? [{ type: "volume", source: files.source, target: files.target, readOnly: true }]
        : []),
    ],
    tmpfs: Object.fromEntries(
      Object.entries({ "/tmp": 16, ...args.scratch }).map(([path, mib]) => [
        path,
        // Owned by the user: some engines forget the mode when a container restarts.
        `rw,noexec,nosuid,nodev,size=${mib}m,mode=1777,uid=${uid},gid=${uid}`,
      ]),
    ),
    ...(args.sysctls ? { sysctls: args.sysctls } : {}),
    ...(args.publish
      ? {
          ports: [
            {
              internal: args.publish.inside,
              external: args.publish.outside,
              ip: args.publish.bind,
            },
          ],
        }
      : {}),
    healthcheck: {
      tests: ["CMD", ...args.healthCheck],
      // Each check is a process within the limits of what it checks.
      interval: "3s",
      timeout: "5s",
      retries: 3,
      startPeriod: durationText(startSeconds),
    },
    wait: true,
    waitTimeout: startSeconds + 30,
    destroyGraceSeconds: args.stopGraceSeconds,
    stopTimeout: args.stopGraceSeconds,
    mustRun: true,
  };
}

/**
 * A workload as containers of one engine. A changed container is made, and found healthy, before its
 * predecessor is told to stop: upstream replaces containers delete-first unless told otherwise.
 */
export class ContainerWorkload extends pulumi.ComponentResource implements Workload {
  readonly ids: readonly pulumi.Output<string>[];

  constructor(name: string, args: WorkloadArgs, opts: pulumi.ComponentResourceOptions) {
    super("inference-stack:index:ContainerWorkload", name, {}, opts);
    const files =
      args.files === undefined
        ? undefined
        : new FilesVolume(
            `${name}-files`,
            { stack: args.stack, part: args.part, files: args.files, uid, writer: args.image },
            { parent: this },
          );
    const data = (args.data ?? []).map(({ target, keep }) => {
      const folder = `${name}-${posix.basename(target)}`;
      const volume = new docker.Volume(
        folder,
        { name: ownName(args.stack, folder), labels: labelList(args.stack, args.part) },
        // Data is replaced by nothing, whatever else the stack comes to be called.
        { parent: this, retainOnDelete: keep, ignoreChanges: ["name", "labels"] },
      );
      return { source: volume.name, target };
    });
    this.ids = Array.from({ length: args.replicas }, (_, i) => {
      const container = new docker.Container(
        `${name}-${i}`,
        containerArgs(args, files?.mount, data),
        {
          parent: this,
          deleteBeforeReplace: args.replaceInPlace ?? false,
          // The engine could change its memory in place, but what runs has taken its measure at the
          // start. Other mounts it could not, and the provider would only write down that it had.
          replaceOnChanges: ["memory", "memorySwap", "mounts"],
          // It counts for who stops a container by hand; the provider has its own, which it can change.
          ignoreChanges: [
            ...(args.replaceInPlace ? ["stopTimeout"] : []),
            ...(args.keepImage ? ["image"] : []),
          ],
        },
      );
      return container.id;
    });
    // The provider has no word for it. The engine keeps it with a container for as long as that exists.
    new command.local.Command(
      `${name}-processes`,
      {
        create: `docker -H "$DOCKER_HOST" update --pids-limit ${args.processes ?? 256} $CONTAINERS > /dev/null`,
        environment: {
          DOCKER_HOST: dockerHost(),
          CONTAINERS: pulumi.all([...this.ids]).apply((ids) => ids.join(" ")),
        },
        triggers: [...this.ids],
      },
      { parent: this },
    );
    this.registerOutputs({ ids: this.ids });
  }
}
