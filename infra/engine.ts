import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { label } from "../toolchain/clone.mjs";
import { UserError } from "./errors.ts";

const run = promisify(execFile);

/**
 * The engine that the Docker provider talks to: DOCKER_HOST, else the local socket. The CLI would
 * also follow its own contexts, and then read from one engine what is declared on another.
 */
export const dockerHost = (): string => process.env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock";

/** An engine elsewhere publishes on addresses of its own machine, and has its own memory. */
export const engineIsHere = (): boolean => dockerHost().startsWith("unix:");

/** Runs a docker command and returns what it printed. Rejects with the engine's own message. */
export async function docker(...args: string[]): Promise<string> {
  const { stdout } = await run("docker", ["-H", dockerHost(), ...args], {
    maxBuffer: 64 * 1024 * 1024,
    timeout: 60_000,
    // Told to end it would say that all went well.
    killSignal: "SIGKILL",
  });
  return stdout.trim();
}

/** The same for commands that print JSON, or one JSON document a line. */
export async function dockerJson<T>(...args: string[]): Promise<T[]> {
  const text = await docker(...args);
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as T);
}

/** The last lines of a container's, or a Swarm task's, log: what it wrote, wherever it wrote it. */
export async function logOf(
  id: string,
  of: "container" | "service" = "container",
): Promise<string> {
  const how = of === "service" ? ["service", "logs", "--raw"] : ["logs"];
  const { stdout, stderr } = await run(
    "docker",
    ["-H", dockerHost(), ...how, "--tail", "20", id],
    // Where a node is gone Swarm waits for its part of a log.
    { timeout: 10_000 },
  );
  return `${stdout}\n${stderr}`;
}

/** Filters of the docker command for what a stack has, whose identity this is. */
export function ofStack(identity: string): string[] {
  // Not its name, and never nothing: Swarm takes a label without a value for one with any.
  if (!/^[0-9a-f]{8}$/.test(identity)) throw new Error(`${identity} is no stack's identity`);
  return ["--filter", `label=${label.clone}=${identity}`];
}

/** Only what the program itself declared: nothing that Swarm made for it. */
export const declaredOnly = ["--filter", `label=${label.declared}`];

export interface EngineInfo {
  /** What the engine calls itself, wherever it is reached. */
  readonly ID: string;
  /** Cores. */
  readonly NCPU: number;
  /** Bytes. */
  readonly MemTotal: number;
  /** It can limit how many processes a container has. */
  readonly PidsLimit?: boolean;
  readonly Swarm: { readonly LocalNodeState: string; readonly ControlAvailable: boolean };
}

/** @throws UserError when no engine answers. */
export async function engineInfo(): Promise<EngineInfo> {
  try {
    const [info] = await dockerJson<EngineInfo & { ServerErrors?: string[] }>(
      "info",
      "--format",
      "{{json .}}",
    );
    if (info === undefined || (info.ServerErrors?.length ?? 0) > 0) throw new Error("no answer");
    return info;
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === "ENOENT";
    throw new UserError(
      missing
        ? "the docker command is not installed. Run `npm run setup`."
        : `no Docker engine answers at ${dockerHost()}. Start it, or run \`npm run setup\`.`,
      { cause },
    );
  }
}
