import { label } from "../toolchain/clone.mjs";
import { docker, dockerJson } from "./engine.ts";
import { countOf } from "./replica-requests.ts";

interface Amounts {
  readonly NanoCPUs?: number;
  readonly MemoryBytes?: number;
}

/** As much of `docker service inspect` as is looked at. */
export interface InspectedService {
  readonly ID: string;
  readonly Spec: {
    readonly Name: string;
    readonly Labels: Readonly<Record<string, string>>;
    readonly TaskTemplate: {
      readonly ContainerSpec: { readonly Image: string };
      readonly Resources?: {
        readonly Limits?: Amounts;
        readonly Reservations?: Amounts;
      };
    };
    readonly Mode: { readonly Replicated?: { readonly Replicas: number } };
  };
  readonly UpdateStatus?: { readonly State?: string; readonly Message?: string };
}

/** As much of a task as is looked at. */
export interface InspectedTask {
  readonly ID: string;
  readonly ServiceID: string;
  readonly Slot?: number;
  readonly NodeID?: string;
  readonly DesiredState: string;
  readonly Spec?: { readonly Resources?: { readonly Reservations?: Amounts } };
  readonly Status: {
    readonly State: string;
    readonly Timestamp: string;
    readonly Err?: string;
    readonly ContainerStatus?: { readonly ExitCode?: number };
  };
  readonly NetworksAttachments?:
    readonly { readonly Addresses?: readonly string[] | null }[] | null;
}

/** A line of `docker node ls`. */
export interface ListedNode {
  readonly ID: string;
  readonly Hostname: string;
  readonly Status: string;
  readonly Availability: string;
  readonly ManagerStatus: string;
}

export interface NodeStatus {
  readonly name: string;
  /** Ready, Down, …; with its availability where that is not Active. */
  readonly state: string;
  readonly role: "manager" | "worker";
  /** Tasks of this stack that run there. */
  readonly tasks: number;
}

export interface ServiceStatus {
  readonly part: string;
  readonly name: string;
  readonly running: number;
  readonly replicas: number;
  /** Cores; 0 is no limit. */
  readonly cpus: number;
  /** MiB; 0 is no limit. */
  readonly memory: number;
  readonly image: string;
  /** How its last update went; null where there was none. */
  readonly update: string | null;
}

export interface TaskStatus {
  readonly part: string;
  /** The service's name and the place in it. */
  readonly name: string;
  readonly id: string;
  readonly node: string;
  readonly state: string;
  /** What Swarm wants of it: a task that is replaced is to be shutdown. */
  readonly desired: string;
  readonly since: string;
  /** Why it ended; null where it did not, or as it should. */
  readonly error: string | null;
  /** Requests since it started; null for what is no replica that runs, or does not answer. */
  readonly requests: number | null;
}

/** A stack's share of a Swarm, as its managers know it. */
export interface SwarmStatus {
  readonly nodes: readonly NodeStatus[];
  readonly services: readonly ServiceStatus[];
  /** With those that ended, as far back as Swarm remembers; the newest of each place first. */
  readonly tasks: readonly TaskStatus[];
}

const shortImage = (image: string): string =>
  (/sha256:([0-9a-f]{12})/.exec(image)?.[1] ?? image).slice(0, 40);

/** What a task does, as far as its node tells. */
function taskState({ DesiredState, Status }: InspectedTask, node: ListedNode | undefined): string {
  const { State, ContainerStatus } = Status;
  if (State === "running" && node?.Status === "Down") return "unreachable";
  if (State === "running" && DesiredState !== "running") return "draining";
  // Below zero where there is none yet.
  const code = ContainerStatus?.ExitCode ?? 0;
  return code > 0 ? `${State}, exit ${code}` : State;
}

/** @param requests what replicas counted, by their address */
export function swarmStatus(
  services: readonly InspectedService[],
  tasks: readonly InspectedTask[],
  nodes: readonly ListedNode[],
  requests: ReadonlyMap<string, number>,
): SwarmStatus {
  const isRunning = (task: InspectedTask) =>
    task.Status.State === "running" && task.DesiredState === "running";
  const partOf = (service: InspectedService | undefined) => service?.Spec.Labels[label.part] ?? "";
  const addresses = (task: InspectedTask) =>
    (task.NetworksAttachments ?? [])
      .flatMap(({ Addresses }) => Addresses ?? [])
      .map((address) => address.split("/")[0] ?? "");
  return {
    nodes: nodes.map((node) => ({
      name: node.Hostname,
      state: node.Availability === "Active" ? node.Status : `${node.Status}, ${node.Availability}`,
      role: node.ManagerStatus === "" ? "worker" : "manager",
      tasks: tasks.filter((task) => task.NodeID === node.ID && isRunning(task)).length,
    })),
    services: services.map((service) => {
      const { Name, TaskTemplate, Mode } = service.Spec;
      const limits = TaskTemplate.Resources?.Limits;
      return {
        part: partOf(service),
        name: Name,
        running: tasks.filter((task) => task.ServiceID === service.ID && isRunning(task)).length,
        replicas: Mode.Replicated?.Replicas ?? 0,
        cpus: (limits?.NanoCPUs ?? 0) / 1e9,
        memory: (limits?.MemoryBytes ?? 0) / 1024 ** 2,
        image: shortImage(TaskTemplate.ContainerSpec.Image),
        update: service.UpdateStatus?.State ?? null,
      };
    }),
    tasks: tasks
      .map((task) => {
        const service = services.find(({ ID }) => ID === task.ServiceID);
        const part = partOf(service);
        const node = nodes.find(({ ID }) => ID === task.NodeID);
        const error = task.Status.Err ?? "";
        return {
          part,
          name: `${service?.Spec.Name ?? ""}.${task.Slot ?? 0}`,
          id: task.ID.slice(0, 12),
          node: node?.Hostname ?? "",
          state: taskState(task, node),
          desired: task.DesiredState,
          since: task.Status.Timestamp,
          error: error === "" ? null : error,
          requests:
            part === "service" && isRunning(task) ? countOf(addresses(task), requests) : null,
        };
      })
      .sort(
        (a, b) =>
          a.name.localeCompare(b.name, "en", { numeric: true }) || b.since.localeCompare(a.since),
      ),
  };
}

const ids = (text: string): string[] => text.split("\n").filter(Boolean);

/** What the Swarm's managers know of the services of a stack. */
export async function inspectServices(filters: readonly string[]): Promise<InspectedService[]> {
  const found = ids(await docker("service", "ls", "-q", ...filters));
  if (found.length === 0) return [];
  return dockerJson("service", "inspect", "--format", "{{json .}}", ...found);
}

export async function inspectTasks(
  services: readonly InspectedService[],
): Promise<InspectedTask[]> {
  if (services.length === 0) return [];
  const of = services.map(({ ID }) => ID);
  const found = ids(await docker("service", "ps", "-q", "--no-trunc", ...of));
  if (found.length === 0) return [];
  return dockerJson("inspect", "--type", "task", "--format", "{{json .}}", ...found);
}

export const listNodes = (): Promise<ListedNode[]> =>
  dockerJson("node", "ls", "--format", "{{json .}}");
