import * as pulumi from "@pulumi/pulumi";
import { leastMemoryMB, LEAST_MB } from "../service/sizing.ts";
import { identityOf, type State } from "../toolchain/launcher/state.mjs";
import type { StackConfig } from "./config.ts";
import { hasConverter } from "./converter.ts";
import { checkRecords } from "./dependencies/records.ts";
import { checkReachable } from "./dependencies/reachable.ts";
import { docker, dockerJson, engineIsHere, type EngineInfo, ofStack } from "./engine.ts";
import { UserError } from "./errors.ts";
import { hint } from "./hint.ts";
import { portIsFree } from "./port.ts";
import { nodesFor } from "./swarm-nodes.ts";
import {
  checkGateways,
  checkOverlay,
  checkRoom,
  checkSwarm,
  readSwarm,
  runningGateways,
} from "./swarm-preflight.ts";

const mebibyte = 1024 ** 2;

/** Refuses less than a replica runs in, before anything is changed. Pure. */
export function checkLeast(
  stack: string,
  { cpus, memory, maxBody, maxRows }: Pick<StackConfig, "cpus" | "memory" | "maxBody" | "maxRows">,
): void {
  const least = leastMemoryMB({ maxBody, maxRows }, cpus);
  if (memory >= least) return;
  const why =
    least === LEAST_MB
      ? "with a small model"
      : `where a request has up to ${Math.ceil((maxBody / mebibyte) * 10) / 10}MB (maxBody) and ${maxRows} rows (maxRows)`;
  throw new UserError(
    `memory is ${memory}MB, but ${least}MB is the least that a replica runs in, ${why}. ` +
      `Set it: ${hint.setKey(stack, "memory", `${least}MB`)}.`,
  );
}

/** Refuses what this engine cannot give, before anything is changed. Pure. */
export function checkLimits(stack: string, config: StackConfig, engine: EngineInfo): void {
  if (config.cpus > engine.NCPU) {
    throw new UserError(
      `cpus is ${config.cpus}, but the engine's machine has ${engine.NCPU} cores. ` +
        `Set cpus to ${engine.NCPU} or less: ${hint.setKey(stack, "cpus", engine.NCPU)}.`,
    );
  }
  const machine = Math.floor(engine.MemTotal / mebibyte);
  if (config.memory > machine) {
    throw new UserError(
      `memory is ${config.memory}MB, but the engine's machine has ${machine}MB. ` +
        `Set memory to less: ${hint.setKey(stack, "memory", `${Math.min(256, machine)}MB`)}.`,
    );
  }
}

/** What of the limits this engine does not hold, where it holds not all of them. Pure. */
export const notHeld = ({ PidsLimit }: Pick<EngineInfo, "PidsLimit">): string | undefined =>
  PidsLimit === false
    ? "the engine limits no container's processes: its kernel has no pids controller, or a rootless " +
      "engine was not given it. All other limits hold; until it has one, memory alone bounds processes."
    : undefined;

/** Ports that containers of this very stack publish: they are not in the way of themselves. */
async function ownPorts(identity: string | undefined): Promise<ReadonlySet<number>> {
  if (identity === undefined) return new Set();
  const ports = await docker("ps", "--format", "{{.Ports}}", ...ofStack(identity));
  return new Set([...ports.matchAll(/:(\d+)->/g)].map(([, port]) => Number(port)));
}

async function checkPorts(
  stack: string,
  identity: string | undefined,
  config: StackConfig,
): Promise<void> {
  if (!engineIsHere()) return;
  const own = await ownPorts(identity);
  for (const key of ["apiPort", "loadtestPort", "mlflowPort"] as const) {
    const port = config[key];
    if (port === undefined || own.has(port) || (await portIsFree(port, config.bind))) continue;
    throw new UserError(
      `${key} is ${port}, but something else listens there on ${config.bind}. ` +
        `Stop it, or choose another port: ${hint.setKey(stack, key, port < 65_000 ? port + 1 : port - 1)}.`,
    );
  }
}

async function checkNetwork(stack: string, config: StackConfig): Promise<void> {
  for (const key of ["network", "dependencyNetwork"] as const) {
    const name = config[key];
    if (name === undefined) continue;
    let found: { Driver: string; Attachable: boolean } | undefined;
    try {
      [found] = await dockerJson("network", "inspect", "--format", "{{json .}}", name);
    } catch (cause) {
      const known = (await docker("network", "ls", "--format", "{{.Name}}")).split("\n").join(", ");
      const overlay = config.platform === "swarm" ? " --driver overlay --attachable" : "";
      throw new UserError(
        `${key} is ${name}, but the engine has no such network. It has: ${known}. ` +
          `Make it with \`docker network create${overlay} ${name}\`, or do without: ${hint.removeKey(stack, key)}.`,
        { cause },
      );
    }
    if (found && key === "network" && config.platform === "swarm") checkOverlay(name, found);
  }
}

/** An image that the toolchain put on the engine; builds name it by tag, changes show in its id. */
export interface BaseImage {
  readonly tag: string;
  readonly id: string;
}

/** A base image that the toolchain made or pulled. @throws UserError when it is not there. */
export async function baseImage(tag: string): Promise<BaseImage> {
  try {
    return { tag, id: await docker("image", "inspect", "--format", "{{.Id}}", tag) };
  } catch (cause) {
    throw new UserError(`the base image ${tag} is not on the engine. Run ${hint.setup}.`, {
      cause,
    });
  }
}

/** What was found out that a stack is declared by. */
export interface Found {
  /** There is room for a replica to start before another stops. */
  readonly startFirst: boolean;
  /** What the registry has is converted on the way to the replicas. */
  readonly converts: boolean;
  /** A gateway of an earlier version of this program publishes the API's port itself. */
  readonly portHeld: boolean;
}

/** Whether a gateway of the state has a port of its own: a listener has it since. */
export const publishesItself = (state: State | undefined): boolean =>
  state?.some(
    ({ type, inputs }) =>
      type === "docker:index/container:Container" &&
      JSON.stringify(inputs?.["labels"] ?? []).includes('"value":"gateway"') &&
      Array.isArray(inputs?.["ports"]) &&
      inputs["ports"].length > 0,
  ) ?? false;

/**
 * Finds out what would go wrong later, while nothing is changed yet.
 * @param stack its name
 * @param state what is recorded of the stack, where there is something
 * @throws UserError
 */
export async function preflight(
  stack: string,
  state: State | undefined,
  config: StackConfig,
  engine: EngineInfo,
): Promise<Found> {
  const identity = identityOf(state);
  const warning = notHeld(engine);
  if (warning !== undefined) await pulumi.log.warn(warning);
  checkLeast(stack, config);
  let startFirst = true;
  if (config.platform === "swarm") {
    checkSwarm(stack, config, await readSwarm(engine));
    startFirst = checkRoom(stack, config, await nodesFor(identity, engine));
    if (engine.Swarm.ControlAvailable) {
      checkGateways(stack, config, await runningGateways(identity));
    }
  } else {
    checkLimits(stack, config, engine);
  }
  await checkNetwork(stack, config);
  await checkPorts(stack, identity, config);
  const answers = await checkReachable(stack, config);
  const records = answers ? await checkRecords(stack, config) : undefined;
  // Who has a converter keeps it: it hands on what needs none, and a later version may need it again.
  const converts = records === true || (config.dependencies === "attach" && hasConverter(state));
  return { startFirst, converts, portHeld: publishesItself(state) };
}
