// `npm run status`: what runs where, as the engine has it now.
import { parseArgs } from "node:util";
import { cloneId, label } from "../toolchain/clone.mjs";
import { settingsStacks } from "../toolchain/launcher/salt.mjs";
import { docker, dockerJson, engineInfo } from "./engine.ts";
import { UserError } from "./errors.ts";
import { replicaRequests } from "./gateway-stats.ts";
import {
  type ContainerStatus,
  containerStatus,
  type Inspected,
  type NetworkStatus,
  renderStatus,
} from "./status-table.ts";

const help = `Usage: npm run status [-- --stack <name>] [--json]

What runs where: containers with limits, versions and health, networks and who is on them, and how
many requests each replica has served. All stacks of this clone, or one.

  --stack, -s   only this stack
  --json        the same for programs
`;

const mine = (stack: string) => [
  ...["--filter", `label=${label.clone}=${cloneId}`],
  ...["--filter", `label=${label.stack}=${stack}`],
];

async function inspect<T>(kind: "container" | "network", ids: readonly string[]): Promise<T[]> {
  if (ids.length === 0) return [];
  return dockerJson<T>(kind, "inspect", "--format", "{{json .}}", ...ids);
}

async function networks(containers: readonly Inspected[]): Promise<NetworkStatus[]> {
  const names = new Set(containers.flatMap((c) => Object.keys(c.NetworkSettings.Networks)));
  const found = await inspect<{
    Name: string;
    Driver: string;
    Containers: Record<string, { Name: string }> | null;
  }>("network", [...names]);
  return found.map(({ Name, Driver, Containers }) => ({
    name: Name,
    driver: Driver,
    members: Object.values(Containers ?? {})
      .map((member) => member.Name)
      .sort(),
  }));
}

export interface StackStatus {
  readonly stack: string;
  readonly containers: readonly ContainerStatus[];
  readonly networks: readonly NetworkStatus[];
}

async function stackStatus(stack: string): Promise<StackStatus> {
  const ids = (await docker("ps", "-aq", ...mine(stack))).split("\n").filter(Boolean);
  const containers = await inspect<Inspected>("container", ids);
  const gateway = containers.find((c) => c.Config.Labels[label.part] === "gateway");
  const requests = gateway?.State.Running
    ? await replicaRequests(gateway.Id)
    : new Map<string, number>();
  return {
    stack,
    containers: containers
      .map((c) => containerStatus(c, requests))
      .sort((a, b) => a.part.localeCompare(b.part) || a.name.localeCompare(b.name)),
    networks: await networks(containers),
  };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      stack: { type: "string", short: "s" },
      json: { type: "boolean" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) {
    console.log(help);
    return;
  }
  const known = settingsStacks();
  if (values.stack !== undefined && !known.includes(values.stack)) {
    throw new UserError(`--stack is ${values.stack}. Allowed: ${known.join(" or ")}.`);
  }
  await engineInfo();
  const stacks: StackStatus[] = [];
  for (const stack of values.stack === undefined ? known : [values.stack]) {
    stacks.push(await stackStatus(stack));
  }
  console.log(
    values.json ? JSON.stringify(stacks, null, 2) : stacks.map(renderStatus).join("\n\n"),
  );
}

try {
  await main();
} catch (error) {
  const usage = error instanceof TypeError && "code" in error;
  if (!usage && !(error instanceof UserError)) throw error;
  console.error(`error: ${(error as Error).message}${usage ? "\n\n" + help : ""}`);
  process.exit(usage ? 2 : 1);
}
