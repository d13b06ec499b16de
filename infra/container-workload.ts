import { posix } from "node:path";
import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { labelList } from "./stack-identity.ts";
import type { Workload, WorkloadArgs } from "./workload.ts";

/** The user of every image of this project. */
const uid = "10001";

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

/** The one folder that a workload's files are in. */
function filesFolder(files: WorkloadArgs["files"] = []): string | undefined {
  const folders = new Set(files.map((file) => posix.dirname(file.path)));
  if (folders.size > 1) throw new Error(`files in several folders: ${[...folders].join(", ")}`);
  return [...folders][0];
}

/** What is declared for one container of a workload. */
export function containerArgs(args: WorkloadArgs): docker.ContainerArgs {
  const folder = filesFolder(args.files);
  return {
    ...hardened,
    image: args.image,
    ...(args.command ? { command: [...args.command] } : {}),
    cpus: String(args.cpus),
    memory: args.memory,
    // As much as memory: no swap.
    memorySwap: args.memory,
    labels: labelList(args.stack, args.part),
    networksAdvanced: args.networks.map(({ name, alias }) => ({
      name,
      ...(alias === undefined ? {} : { aliases: [alias] }),
    })),
    // Volumes without a name: they go with their container.
    mounts: [
      ...(args.volumes ?? []).map((target) => ({ type: "volume", target })),
      ...(folder === undefined
        ? []
        : [{ type: "volume", target: folder, volumeOptions: { noCopy: true } }]),
    ],
    // The engine refuses an upload into a read-only root, but not into a volume. Owned by the user
    // and 0400, in a folder of root's: the process reads them and changes nothing.
    uploads: (args.files ?? []).map(({ path, content }) => ({
      file: path,
      content,
      owner: uid,
      group: uid,
      permissions: "0400",
    })),
    tmpfs: Object.fromEntries(
      Object.entries({ "/tmp": 16, ...args.scratch }).map(([path, mib]) => [
        path,
        `rw,noexec,nosuid,nodev,size=${mib}m,mode=1777`,
      ]),
    ),
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
      startPeriod: "30s",
    },
    wait: true,
    waitTimeout: 120,
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
    this.ids = Array.from({ length: args.replicas }, (_, i) => {
      const container = new docker.Container(`${name}-${i}`, containerArgs(args), {
        parent: this,
        deleteBeforeReplace: args.replaceInPlace ?? false,
      });
      return container.id;
    });
    this.registerOutputs({ ids: this.ids });
  }
}
