import type * as pulumi from "@pulumi/pulumi";
import { ContainerWorkload } from "./container-workload.ts";
import type { StackConfig } from "./config.ts";
import type { WorkloadFile } from "./files-volume.ts";
import type { Network } from "./networks.ts";
import { ServiceWorkload } from "./service-workload.ts";
import type { Part, StackIdentity } from "./stack-identity.ts";
import type { Cpus, MiB } from "./units.ts";

export type Platform = StackConfig["platform"];

/**
 * `processes` of programs that start threads by the cores of the machine, whatever share they are given:
 * numpy and scipy up to 64 each.
 */
export const manyThreads = 1024;

/** Something that runs, in the words that containers and Swarm services share. */
export interface WorkloadArgs {
  readonly stack: StackIdentity;
  readonly part: Part;
  readonly image: pulumi.Input<string>;
  readonly command?: readonly string[];
  readonly replicas: number;
  /** Limits of one replica. Swap is none. */
  readonly cpus: Cpus;
  readonly memory: MiB;
  /** Processes and threads at once, those of a health check among them; 256 unless told. */
  readonly processes?: number;
  /** Where it may run on several nodes: each keeps as much free for it as its limits allow it. */
  readonly reserve?: boolean;
  /** None: it has no network at all. */
  readonly networks: readonly {
    readonly network: Network;
    readonly alias?: pulumi.Input<string>;
  }[];
  /** All in one folder: it is a mount of its own. */
  readonly files?: readonly WorkloadFile[];
  /** Folders on disk that it may write to and that go with it; empty at first, owned by its user. */
  readonly volumes?: readonly string[];
  /** The same, but one for all replicas and their successors; `keep`: it survives `destroy` too. */
  readonly data?: readonly { readonly target: string; readonly keep: boolean }[];
  /** Volumes that it has in common with another workload of its engine. */
  readonly shared?: readonly { readonly source: pulumi.Input<string>; readonly target: string }[];
  /** Folders in memory that it may write to, and their size. */
  readonly scratch?: Readonly<Record<string, MiB>>;
  /** Kernel settings of its own network. */
  readonly sysctls?: Readonly<Record<string, string>>;
  readonly publish?: {
    readonly inside: number;
    readonly outside: pulumi.Input<number>;
    readonly bind: string;
  };
  /** Exits 0 when it is ready to work. Tiny: it runs within the same limits. */
  readonly healthCheck: readonly string[];
  /** How long it may take from its start until it is healthy; 30 unless told. */
  readonly startSeconds?: number;
  /** From SIGTERM until it is killed. */
  readonly stopGraceSeconds: number;
  /** It goes on with the image that it was made of, whatever becomes of the one it is declared with. */
  readonly keepImage?: boolean;
  /** Where replacing needs the old one gone first (it holds a port, or the room), its successor waits. */
  readonly replaceInPlace?: boolean;
}

/** What runs, whatever runs it. */
export interface Workload {
  /** Ids on the engine: of each container, or of the one service. */
  readonly ids: readonly pulumi.Output<string>[];
}

/** The one place that knows a container from a Swarm service. */
export function runWorkload(
  platform: Platform,
  name: string,
  args: WorkloadArgs,
  opts: pulumi.ComponentResourceOptions,
): Workload & pulumi.ComponentResource {
  return platform === "swarm"
    ? new ServiceWorkload(name, args, opts)
    : new ContainerWorkload(name, args, opts);
}
