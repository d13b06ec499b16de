import { setTimeout } from "node:timers/promises";
import { ofStackNamed } from "../../infra/stack-named.ts";
import type { Gateways } from "../../infra/gateway-stats.ts";
import {
  inspectServices,
  inspectTasks,
  type InspectedService,
  type InspectedTask,
} from "../../infra/status-swarm.ts";
import { label } from "../../toolchain/clone.mjs";
import type { Tick } from "../events.ts";
import { stackContainers, type StackContainers } from "./containers.ts";
import { EngineWatch } from "./engine-watch.ts";
import type { PartLimits, Use } from "./observation.ts";
import type { Limits } from "./space.ts";
import { memoryKills, replicasUse, workersUse } from "./told-use.ts";
import { missing, notAlone } from "./watch-containers.ts";
import type { Losses, UsedPart, Watch } from "./watch.ts";

const limitsOf = (service: InspectedService | undefined): PartLimits => {
  const limits = service?.Spec.TaskTemplate.Resources?.Limits;
  return {
    cpus: (limits?.NanoCPUs ?? 0) / 1e9,
    memory: (limits?.MemoryBytes ?? 0) / 1024 ** 2,
  };
};

const runs = ({ Status, DesiredState }: InspectedTask): boolean =>
  Status.State === "running" && DesiredState === "running";

/** Whether a task still has something of a node. */
const lingers = (task: InspectedTask): boolean =>
  !runs(task) &&
  !["complete", "failed", "shutdown", "rejected", "orphaned", "remove"].includes(task.Status.State);

/** What befell replicas, by the tasks there were at first and those there are now. Pure. */
export function taskLosses(first: ReadonlySet<string>, tasks: readonly InspectedTask[]): Losses {
  return {
    // Swarm makes a new task for each one that ended.
    ended: tasks.filter(({ ID }) => !first.has(ID)).length,
    // Nobody but the kernel sends a replica SIGKILL while it is to run; what Swarm itself ends is
    // no failure by its exit code.
    outOfMemory: tasks.filter(
      ({ Status }) => Status.State === "failed" && /non-zero exit \(137\)/.test(Status.Err ?? ""),
    ).length,
  };
}

/**
 * Replicas and workers are tasks on any node. The manager knows which of them ended; what they use they
 * tell the load test themselves. The gateway and the load test's master are on the manager's own engine.
 */
export class SwarmWatch implements Watch {
  readonly master: string;
  readonly gateways: Gateways;
  readonly #service: InspectedService;
  readonly #limits: Readonly<Record<"service" | "worker", PartLimits>>;
  readonly #here: StackContainers;
  readonly #engine: EngineWatch;
  readonly #first: ReadonlySet<string>;
  readonly #replicas: number;
  readonly #timer: NodeJS.Timeout;
  #losses: Losses = { ended: 0, outOfMemory: 0 };

  private constructor(
    services: readonly InspectedService[],
    service: InspectedService,
    tasks: readonly InspectedTask[],
    here: StackContainers,
    stack: string,
  ) {
    const of = (part: string): InspectedService | undefined => partOf(services, part);
    const [master] = here.ids.loadtest;
    const [gateway] = here.ids.gateway;
    const several = of("gateway");
    if (master === undefined || (gateway === undefined && several === undefined)) {
      throw missing(stack);
    }
    this.master = master;
    this.gateways =
      several === undefined
        ? { container: gateway ?? "" }
        : { from: master, name: several.Spec.Name };
    this.#service = service;
    this.#limits = { service: limitsOf(service), worker: limitsOf(of("worker")) };
    this.#here = here;
    this.#engine = new EngineWatch([...here.ids.gateway, ...here.ids.loadtest]);
    this.#first = new Set(tasks.map(({ ID }) => ID));
    this.#replicas = tasks.filter(runs).length;
    this.#timer = setInterval(() => void this.#look(), 2000);
  }

  static async begin(stack: string, declared: Limits): Promise<SwarmWatch> {
    for (let waited = 0; ; waited += 1) {
      const services = await inspectServices(ofStackNamed(stack));
      const service = partOf(services, "service");
      const tasks = service === undefined ? [] : await inspectTasks([service]);
      const { cpus, memory } = limitsOf(service);
      const replicas = tasks.filter(runs).length;
      if (
        service !== undefined &&
        replicas === declared.replicas &&
        !tasks.some(lingers) &&
        cpus === declared.cpus &&
        memory === declared.memory
      ) {
        return new SwarmWatch(services, service, tasks, await stackContainers(stack), stack);
      }
      if (waited === 60) throw notAlone(stack, { cpus, memory, replicas }, declared);
      await setTimeout(500);
    }
  }

  losses(ticks: readonly Tick[]): Losses {
    const { ended, outOfMemory } = this.#losses;
    return { ended, outOfMemory: outOfMemory + memoryKills(ticks) };
  }

  use(part: UsedPart, since: number, ticks: readonly Tick[]): Use | null {
    if (part === "gateway") {
      return this.#engine.use(this.#here.ids.gateway, this.#here.limits.gateway, since);
    }
    return part === "service"
      ? replicasUse(ticks, this.#limits.service, this.#replicas, since)
      : workersUse(
          ticks.filter(({ at }) => at >= since),
          this.#limits.worker,
        );
  }

  close(): void {
    clearInterval(this.#timer);
    this.#engine.close();
  }

  async #look(): Promise<void> {
    // A manager that does not answer for once is asked again.
    const tasks = await inspectTasks([this.#service]).catch(() => undefined);
    if (tasks !== undefined) this.#losses = taskLosses(this.#first, tasks);
  }
}

const partOf = (
  services: readonly InspectedService[],
  part: string,
): InspectedService | undefined => services.find(({ Spec }) => Spec.Labels[label.part] === part);
