import { createServer } from "node:net";
import type { StackConfig } from "./config.ts";
import { checkReachable } from "./dependencies/reachable.ts";
import { docker, dockerHost, dockerJson, type EngineInfo, ofStack } from "./engine.ts";
import { UserError } from "./errors.ts";
import {
  checkGateways,
  checkOverlay,
  checkSwarm,
  readSwarm,
  runningGateways,
} from "./swarm-preflight.ts";

/** Refuses what this engine cannot give, before anything is changed. Pure. */
export function checkLimits(config: StackConfig, engine: EngineInfo): void {
  if (config.cpus > engine.NCPU) {
    throw new UserError(
      `cpus is ${config.cpus}, but the engine's machine has ${engine.NCPU} cores. ` +
        `Set cpus to ${engine.NCPU} or less with \`pulumi config set cpus <cores>\`.`,
    );
  }
  const machine = Math.floor(engine.MemTotal / 1024 ** 2);
  if (config.memory > machine) {
    throw new UserError(
      `memory is ${config.memory}MB, but the engine's machine has ${machine}MB. ` +
        "Set memory to less with `pulumi config set memory <amount>MB`.",
    );
  }
}

/** Ports that containers of this very stack publish: they are not in the way of themselves. */
async function ownPorts(identity: string | undefined): Promise<ReadonlySet<number>> {
  if (identity === undefined) return new Set();
  const ports = await docker("ps", "--format", "{{.Ports}}", ...ofStack(identity));
  return new Set([...ports.matchAll(/:(\d+)->/g)].map(([, port]) => Number(port)));
}

function portIsFree(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
      .once("error", (error: NodeJS.ErrnoException) => {
        // An address of another machine's engine cannot be tried from here.
        resolve(error.code !== "EADDRINUSE");
      })
      .listen({ port, host, exclusive: true }, () =>
        server.close(() => {
          resolve(true);
        }),
      );
  });
}

async function checkPorts(identity: string | undefined, config: StackConfig): Promise<void> {
  if (!dockerHost().startsWith("unix:")) return;
  const own = await ownPorts(identity);
  for (const key of ["apiPort", "loadtestPort"] as const) {
    const port = config[key];
    if (own.has(port) || (await portIsFree(port, config.bind))) continue;
    throw new UserError(
      `${key} is ${port}, but something else listens there on ${config.bind}. ` +
        `Stop it, or choose another port with \`pulumi config set ${key} <port>\`.`,
    );
  }
}

async function checkNetwork(config: StackConfig): Promise<void> {
  for (const key of ["network", "dependencyNetwork"] as const) {
    const name = config[key];
    if (name === undefined) continue;
    let found: { Driver: string; Attachable: boolean } | undefined;
    try {
      [found] = await dockerJson("network", "inspect", "--format", "{{json .}}", name);
    } catch (cause) {
      const known = (await docker("network", "ls", "--format", "{{.Name}}")).split("\n").join(", ");
      throw new UserError(
        `${key} is ${name}, but the engine has no such network. It has: ${known}. ` +
          `Make it, or change it with \`pulumi config set ${key} <name>\`.`,
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
    throw new UserError(`the base image ${tag} is not on the engine. Run \`npm run setup\`.`, {
      cause,
    });
  }
}

/**
 * Finds out what would go wrong later, while nothing is changed yet.
 * @param identity of the stack, where its state has one
 * @throws UserError
 */
export async function preflight(
  identity: string | undefined,
  config: StackConfig,
  engine: EngineInfo,
): Promise<void> {
  checkLimits(config, engine);
  if (config.platform === "swarm") {
    checkSwarm(config, await readSwarm(engine));
    if (engine.Swarm.ControlAvailable) checkGateways(config, await runningGateways(identity));
  }
  await checkNetwork(config);
  await checkPorts(identity, config);
  await checkReachable(config);
}
