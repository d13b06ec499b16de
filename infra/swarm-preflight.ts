import { readFile } from "node:fs/promises";
import type { StackConfig } from "./config.ts";
import { label } from "../toolchain/clone.mjs";
import {
  docker,
  dockerHost,
  dockerJson,
  engineIsHere,
  type EngineInfo,
  ofStack,
} from "./engine.ts";
import { UserError } from "./errors.ts";
import { hint } from "./hint.ts";
import { type Resources, room, type SwarmNode } from "./swarm-nodes.ts";

/** What of a Swarm, or of an engine that could become one, decides whether the stack can run there. */
export interface SwarmFacts {
  readonly state: string;
  readonly manager: boolean;
  /** Names of its nodes; none where there is no Swarm yet. */
  readonly nodes: readonly string[];
  /** Devices that the engine's machine swaps to. */
  readonly swap: readonly string[];
}

/** Names in the text of /proc/swaps, which has a header line. */
export const swapDevices = (procSwaps: string): string[] =>
  procSwaps
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => line.split(/\s/)[0] ?? "");

/** @throws UserError where the stack could not run, or its limits would not hold. Pure. */
export function checkSwarm(
  stack: string,
  config: Pick<StackConfig, "imageRepository">,
  { state, manager, nodes, swap }: SwarmFacts,
): void {
  if (state !== "inactive" && !manager) {
    throw new UserError(
      `platform is swarm, but the engine at ${dockerHost()} is a node of a Swarm that other nodes ` +
        `manage (its state is ${state}). Set DOCKER_HOST to the address of a manager.`,
    );
  }
  if (nodes.length > 1 && config.imageRepository === undefined) {
    throw new UserError(
      `the Swarm has ${nodes.length} nodes (${nodes.join(", ")}), but imageRepository is not set: images ` +
        "that are built here would be on this node alone. Set imageRepository to a registry that all " +
        `nodes reach: ${hint.setKey(stack, "imageRepository", "HOST:PORT/REPOSITORY")}.`,
    );
  }
  if (swap.length > 0) {
    throw new UserError(
      `platform is swarm, but the engine's machine swaps to ${swap.join(", ")}: Swarm cannot hold a ` +
        "replica's memory and swap together under `memory`. Turn swap off with `swapoff -a`.",
    );
  }
}

/** @throws UserError where a network that exists cannot carry a Swarm service. Pure. */
export function checkOverlay(
  name: string,
  { Driver, Attachable }: { readonly Driver: string; readonly Attachable: boolean },
): void {
  if (Driver === "overlay" && Attachable) return;
  const is = Driver === "overlay" ? "an overlay that is not attachable" : `a ${Driver} network`;
  throw new UserError(
    `network is ${name}, which is ${is}. With platform swarm it must be an attachable overlay, such as ` +
      "`docker network create --driver overlay --attachable <name>` makes.",
  );
}

/**
 * One gateway is a container, several are a service, and the new ones would wait for a port that the old
 * ones give up last.
 * @param running what this stack's gateways are now, where there are any
 * @throws UserError where that would have to change. Pure.
 */
export function checkGateways(
  stack: string,
  { gateways }: Pick<StackConfig, "gateways">,
  running: "container" | "service" | undefined,
): void {
  const wanted = gateways > 1 ? "service" : "container";
  if (running === undefined || running === wanted) return;
  throw new UserError(
    `gateways is ${gateways}, which is a ${wanted}, but what runs now is a ${running} and holds apiPort. ` +
      `Take the stack down first with ${hint.destroy(stack)}, or go back to what gateways was.`,
  );
}

const resourcesText = ({ cpus, memory }: Resources): string =>
  `${+cpus.toFixed(2)} CPU and ${memory}MB`;
const nodesText = (nodes: readonly SwarmNode[]): string =>
  nodes.map((node) => `${node.name} ${resourcesText(node)}`).join("; ");

/**
 * Whether the Swarm's nodes hold what is asked of them.
 * @param nodes those that take replicas: in all, and what others leave of them
 * @returns whether there is room for one replica more: then an update starts one before it stops one
 * @throws UserError where Swarm would find no place for a replica, or a gateway. Pure.
 */
export function checkRoom(
  stack: string,
  config: Pick<StackConfig, "cpus" | "memory" | "replicas" | "gateways" | "overcommit">,
  { all, left }: { readonly all: readonly SwarmNode[]; readonly left: readonly SwarmNode[] },
): boolean {
  const { cpus, memory, replicas, gateways, overcommit } = config;
  const set = (key: string, value: string | number) =>
    `\`npx pulumi config set ${key} ${value} -s ${stack}\``;
  if (all.length === 0) {
    throw new UserError(
      "no node of the Swarm takes replicas: `docker node ls` shows why, and " +
        "`docker node update --availability active <node>` makes one take them.",
    );
  }
  if (!all.some((node) => room(config, node) > 0)) {
    throw new UserError(
      `a replica's limits are ${resourcesText(config)}, but no node of the Swarm is as large. There is: ` +
        `${nodesText(all)}. Set less with ${set("cpus", "<cores>")} or ${set("memory", "<amount>MB")}.`,
    );
  }
  if (gateways > 1 && gateways > all.length) {
    throw new UserError(
      `gateways is ${gateways}, one on a node, but the Swarm has ${all.length} that ` +
        `${all.length === 1 ? "takes" : "take"} any. Run ${set("gateways", all.length)}, or add nodes.`,
    );
  }
  if (overcommit) return true;
  const places = left.reduce((sum, node) => sum + room(config, node), 0);
  if (places >= replicas) return places > replicas;
  throw new UserError(
    `replicas is ${replicas}, each of ${resourcesText({ cpus, memory })}, but the Swarm's nodes have room ` +
      `for ${places}. There is, beside what others reserve: ${nodesText(left)}. ` +
      (places > 0 ? `Run ${set("replicas", places)}, or set` : "Set") +
      ` less with ${set("cpus", "<cores>")} or ${set("memory", "<amount>MB")}, or let replicas share what ` +
      `nodes have with ${set("overcommit", "true")}.`,
  );
}

/** What the gateways of a stack are on a Swarm that this engine manages. */
export async function runningGateways(
  identity: string | undefined,
): Promise<"container" | "service" | undefined> {
  if (identity === undefined) return undefined;
  const mine = [...ofStack(identity), "--filter", `label=${label.part}=gateway`];
  if ((await docker("service", "ls", "-q", ...mine)) !== "") return "service";
  return (await docker("ps", "-q", ...mine)) === "" ? undefined : "container";
}

/** Asks the engine, and its machine where that is this one. */
export async function readSwarm({ Swarm }: EngineInfo): Promise<SwarmFacts> {
  const nodes = Swarm.ControlAvailable
    ? await dockerJson<{ Hostname: string }>("node", "ls", "--format", "{{json .}}")
    : [];
  return {
    state: Swarm.LocalNodeState,
    manager: Swarm.ControlAvailable,
    nodes: nodes.map(({ Hostname }) => Hostname),
    swap: engineIsHere() ? swapDevices(await readFile("/proc/swaps", "utf8").catch(() => "")) : [],
  };
}
