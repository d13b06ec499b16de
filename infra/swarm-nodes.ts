import { label } from "../toolchain/clone.mjs";
import { dockerJson, type EngineInfo } from "./engine.ts";
import {
  type InspectedService,
  type InspectedTask,
  inspectServices,
  inspectTasks,
  listNodes,
} from "./status-swarm.ts";
import type { Cpus, MiB } from "./units.ts";

/** What a replica takes, or a node has. */
export interface Resources {
  readonly cpus: Cpus;
  readonly memory: MiB;
}

/** A node that takes replicas. */
export interface SwarmNode extends Resources {
  readonly id: string;
  readonly name: string;
}

const mebibyte = 1024 ** 2;

/** How many whole replicas fit; the sum of 0.1 ten times is no more than 1. */
export const room = ({ cpus, memory }: Resources, node: Resources): number =>
  Math.max(0, Math.min(Math.floor(node.cpus / cpus + 1e-9), Math.floor(node.memory / memory)));

interface InspectedNode {
  readonly ID: string;
  readonly Description: {
    readonly Hostname: string;
    readonly Resources: { readonly NanoCPUs: number; readonly MemoryBytes: number };
  };
}

/** The nodes of this Swarm that take replicas. */
export async function swarmNodes(): Promise<SwarmNode[]> {
  const ids = (await listNodes())
    .filter(({ Status, Availability }) => Status === "Ready" && Availability === "Active")
    .map(({ ID }) => ID);
  if (ids.length === 0) return [];
  const nodes = await dockerJson<InspectedNode>(
    "node",
    "inspect",
    "--format",
    "{{json .}}",
    ...ids,
  );
  return nodes.map(({ ID, Description: { Hostname, Resources } }) => ({
    id: ID,
    name: Hostname,
    cpus: Resources.NanoCPUs / 1e9,
    memory: Math.floor(Resources.MemoryBytes / mebibyte),
  }));
}

const reserves = ({ Spec }: InspectedService): boolean =>
  Spec.TaskTemplate.Resources?.Reservations !== undefined;

/** What is left on nodes by tasks that hold what they reserve. Pure. */
export const leftBy = (tasks: readonly InspectedTask[], nodes: readonly SwarmNode[]): SwarmNode[] =>
  nodes.map((node) => {
    const held = tasks
      // Swarm counts a task until it has stopped; one that is told to is soon gone.
      .filter(({ NodeID, DesiredState }) => NodeID === node.id && DesiredState === "running")
      .map(({ Spec }) => Spec?.Resources?.Reservations ?? {});
    const cpus = held.reduce((sum, { NanoCPUs }) => sum + (NanoCPUs ?? 0) / 1e9, 0);
    const memory = held.reduce((sum, { MemoryBytes }) => sum + (MemoryBytes ?? 0) / mebibyte, 0);
    return { ...node, cpus: node.cpus - cpus, memory: Math.floor(node.memory - memory) };
  });

/**
 * The nodes that a stack's replicas may run on: in all, and without what others reserve there.
 * @param identity of the stack, where its state has one
 */
export async function nodesFor(
  identity: string | undefined,
  { NCPU, MemTotal, Swarm }: EngineInfo,
): Promise<{ all: readonly SwarmNode[]; left: readonly SwarmNode[] }> {
  if (!Swarm.ControlAvailable) {
    // It becomes the one node.
    const memory = Math.floor(MemTotal / mebibyte);
    const all = [{ id: "", name: "this engine", cpus: NCPU, memory }];
    return { all, left: all };
  }
  const all = await swarmNodes();
  const others = (await inspectServices([])).filter(
    (one) => reserves(one) && one.Spec.Labels[label.clone] !== identity,
  );
  return { all, left: leftBy(await inspectTasks(others), all) };
}
