// What the commands know of a stack: its settings, and what its state records.
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { parseConfig, type StackConfig } from "../../infra/config.ts";
import { attachedConnection, followed } from "../../infra/dependencies/connection.ts";
import { given } from "../../infra/dependencies/settings.ts";
import { hint } from "../../infra/hint.ts";
import { root } from "../clone.mjs";
import { SetupError } from "../errors.mjs";
import { parseConnection, registryIn, type Connection, type Exported } from "./connection.ts";

export interface ModelStack {
  readonly name: string;
  readonly config: StackConfig;
  /** The registered model, where the stack's settings name one; its default is the demonstration. */
  readonly model: string | undefined;
  /** The gateway, once there is one. */
  readonly apiUrl: string | undefined;
  /** @throws SetupError where the stack has no registry */
  readonly connection: () => Connection;
  /** Whether the replicas that are up ask this registry, or another that was configured before. */
  readonly asks: (connection: Connection) => boolean;
}

async function pulumi(...args: string[]): Promise<unknown> {
  // This folder's own: packages may be shared with another, and so the command among them.
  const launcher = join(root, "toolchain", "launcher", "pulumi.mjs");
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [launcher, "--non-interactive", ...args],
    { cwd: root, maxBuffer: 1024 ** 3 },
  );
  return JSON.parse(stdout);
}

/**
 * A stack by its name, up or not. @throws SetupError where there is no such stack, UserError where its
 * settings are not usable
 */
export async function modelStack(name: string): Promise<ModelStack> {
  const secrets = ["--show-secrets", "--stack", name];
  const [configured, state] = await Promise.all([
    pulumi("config", "--json", ...secrets),
    // It has none before its first `up`. What is said of that may carry the state, which holds secrets.
    pulumi("stack", "export", ...secrets).catch(() => ({})),
  ]).catch((cause: unknown) => {
    const { stderr = "", message } = cause as Error & { stderr?: string };
    throw new SetupError(`the settings of the stack ${name} cannot be read: ${stderr || message}`, {
      cause,
    });
  });
  const raw = rawConfig(configured as Configured);
  const config = parseConfig({ stack: name, ...raw });
  return {
    name,
    config,
    model: raw.values["model"],
    apiUrl: apiUrlIn(state as Exported),
    connection: () => connectionOf(name, config, state as Exported),
    asks: (connection) => asksRegistry(state as Exported, connection),
  };
}

/** As `pulumi config --json` prints it. */
type Configured = Readonly<
  Record<string, { readonly value?: string; readonly secret?: boolean } | undefined>
>;

const PREFIX = "inference-stack:";

/** The project's own keys. Pure. */
export function rawConfig(configured: Configured) {
  const own = Object.entries(configured).flatMap(([key, entry]) =>
    key.startsWith(PREFIX) && entry?.value !== undefined
      ? [{ key: key.slice(PREFIX.length), value: entry.value, secret: entry.secret === true }]
      : [],
  );
  return {
    values: Object.fromEntries(own.map(({ key, value }) => [key, value])) as Record<string, string>,
    secretKeys: new Set(own.flatMap(({ key, secret }) => (secret ? [key] : []))),
  };
}

/**
 * The registry that a stack is configured for. One that runs elsewhere is known from the settings alone;
 * one that comes with the stack once that has brought it up. Pure, but for a `caFile`.
 */
export function connectionOf(name: string, config: StackConfig, state: Exported): Connection {
  if (config.dependencies === "attach") return attachedConnection(name, config);
  const found = config.dependencies === "deploy" ? registryIn(state) : undefined;
  if (found !== undefined) {
    // What it followed at its last `up` may be another by now.
    const { mlflowUrl, ...reached } = parseConnection(found, `the stack ${name}`);
    const unfollowed = { model: undefined, modelAlias: undefined, modelStage: undefined };
    return { mlflowUrl, ...given({ ...reached, ...unfollowed, ...followed(config) }) };
  }
  const up = hint.up(name);
  const way =
    config.dependencies === "deploy"
      ? up
      : hint.both(hint.setKey(name, "dependencies", "deploy"), up);
  throw new SetupError(
    `the stack ${name} has no registry: bring it up with one (${way}), or name a file with --connection`,
  );
}

/** Whether a stack was brought up with this registry. Pure. */
export function asksRegistry(state: Exported, { mlflowUrl, network }: Connection): boolean {
  const found = registryIn(state);
  if (found === undefined) return false;
  const up = parseConnection(found, "the stack's state");
  return up.mlflowUrl === mlflowUrl && up.network === network;
}

function apiUrlIn({ deployment }: Exported): string | undefined {
  const stack = deployment?.resources?.find(({ type }) => type === "pulumi:pulumi:Stack");
  const value = stack?.outputs?.apiUrl;
  return typeof value === "string" ? value : undefined;
}
