// `npm run status`: what runs where, as the engine has it now.
import { label } from "../toolchain/clone.mjs";
import { readCommand } from "../toolchain/command.mjs";
import { settingsStacks } from "../toolchain/launcher/settings.mjs";
import { identityOf, readState } from "../toolchain/launcher/state.mjs";
import { docker, dockerJson, engineInfo, ofStack } from "./engine.ts";
import { complain, UserError } from "./errors.ts";
import { type FrontStatus, frontStatus } from "./front.ts";
import { type ModelStatus, modelStatus } from "./replica-models.ts";
import { askReplicas, replicaRequests } from "./replica-requests.ts";
import {
  inspectServices,
  inspectTasks,
  listNodes,
  type SwarmStatus,
  swarmStatus,
} from "./status-swarm.ts";
import {
  type ContainerStatus,
  containerStatus,
  type Inspected,
  type InspectedNetwork,
  type NetworkStatus,
  networkStatus,
  renderStatus,
} from "./status-table.ts";

const help = `Usage: npm run status [-- --stack <name>] [--json]

What runs where: containers with limits, versions and health, networks and who is on them, the model
that replicas serve, how many requests each has served, and whether clients get in; on Swarm also its nodes, services and the history of their
tasks. All stacks of this clone, or one.

  --stack, -s   only this stack
  --json        the same for programs
`;

/** What Swarm marks its own containers with. */
const taskLabel = "com.docker.swarm.task.id";

async function inspect<T>(kind: "container" | "network", ids: readonly string[]): Promise<T[]> {
  if (ids.length === 0) return [];
  return dockerJson<T>(kind, "inspect", "--format", "{{json .}}", ...ids);
}

async function networks(containers: readonly Inspected[]): Promise<NetworkStatus[]> {
  const names = new Set(containers.flatMap((c) => Object.keys(c.NetworkSettings.Networks)));
  // All that have no network are on it, whoever they belong to.
  names.delete("none");
  return (await inspect<InspectedNetwork>("network", [...names])).map(networkStatus);
}

export interface StackStatus {
  readonly stack: string;
  readonly containers: readonly ContainerStatus[];
  readonly networks: readonly NetworkStatus[];
  readonly models: readonly ModelStatus[];
  /** Null where this machine has none. */
  readonly front: FrontStatus | null;
  /** Null where the stack has no Swarm services. */
  readonly swarm: SwarmStatus | null;
}

async function stackStatus(stack: string, managesSwarm: boolean): Promise<StackStatus> {
  const identity = identityOf(readState(stack));
  if (identity === undefined)
    return { stack, containers: [], networks: [], models: [], front: null, swarm: null };
  const mine = ofStack(identity);
  const ids = (await docker("ps", "-aq", ...mine)).split("\n").filter(Boolean);
  const containers = await inspect<Inspected>("container", ids);
  const services = managesSwarm ? await inspectServices(mine) : [];
  const loadtest = containers.find(
    ({ Config, State }) => Config.Labels[label.part] === "loadtest" && State.Running,
  );
  const requests = loadtest === undefined ? new Map() : await replicaRequests(loadtest.Id);
  const models = loadtest === undefined ? [] : await askReplicas(loadtest.Id, "/model");
  return {
    stack,
    containers: containers
      // Those are on any node: they are told of as tasks.
      .filter((c) => services.length === 0 || c.Config.Labels[taskLabel] === undefined)
      .map((c) => containerStatus(c, requests))
      .sort((a, b) => a.part.localeCompare(b.part) || a.name.localeCompare(b.name)),
    networks: await networks(containers),
    models: modelStatus(models.flatMap(([, said]) => said ?? [])),
    front: (await frontStatus(containers)) ?? null,
    swarm:
      services.length === 0
        ? null
        : swarmStatus(services, await inspectTasks(services), await listNodes(), requests),
  };
}

async function main(): Promise<void> {
  const { values } = readCommand("status", {
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
  const { Swarm } = await engineInfo();
  const stacks: StackStatus[] = [];
  for (const stack of values.stack === undefined ? known : [values.stack]) {
    stacks.push(await stackStatus(stack, Swarm.ControlAvailable));
  }
  console.log(
    values.json ? JSON.stringify(stacks, null, 2) : stacks.map(renderStatus).join("\n\n"),
  );
}

try {
  await main();
} catch (error) {
  complain(error);
}
