import { setTimeout } from "node:timers/promises";
import { UserError } from "../../infra/errors.ts";
import type { Gateways } from "../../infra/gateway-stats.ts";
import { stackContainers, type StackContainers } from "./containers.ts";
import { EngineWatch } from "./engine-watch.ts";
import type { Use } from "./observation.ts";
import { limitsText, type Limits } from "./space.ts";
import type { Losses, UsedPart, Watch } from "./watch.ts";

/** Every part is a container on this engine, which counts for each what it uses. */
export class ContainerWatch implements Watch {
  readonly master: string;
  readonly gateways: Gateways;
  readonly #found: StackContainers;
  readonly #engine: EngineWatch;

  private constructor(found: StackContainers, master: string, gateway: string) {
    this.#found = found;
    this.master = master;
    this.gateways = { container: gateway };
    this.#engine = new EngineWatch(Object.values(found.ids).flat());
  }

  static async begin(stack: string, declared: Limits): Promise<ContainerWatch> {
    for (let waited = 0; ; waited += 1) {
      const found = await stackContainers(stack);
      const { cpus, memory } = found.limits.service;
      const { length } = found.ids.service;
      if (length === declared.replicas && cpus === declared.cpus && memory === declared.memory) {
        const [master] = found.ids.loadtest;
        const [gateway] = found.ids.gateway;
        if (master === undefined || gateway === undefined) throw missing(stack);
        return new ContainerWatch(found, master, gateway);
      }
      if (waited === 60) throw notAlone(stack, { cpus, memory, replicas: length }, declared);
      await setTimeout(500);
    }
  }

  losses(): Losses {
    const { service } = this.#found.ids;
    return {
      ended: this.#engine.count("ended", service),
      outOfMemory: this.#engine.count("outOfMemory", service),
    };
  }

  use(part: UsedPart, since: number): Use | null {
    return this.#engine.use(this.#found.ids[part], this.#found.limits[part], since);
  }

  close(): void {
    this.#engine.close();
  }
}

export const missing = (stack: string): UserError =>
  new UserError(`the stack ${stack} has no load test or no gateway that runs.`);

export const notAlone = (stack: string, found: Limits, declared: Limits): UserError =>
  new UserError(
    `the stack ${stack} has ${limitsText(found)} running where ${limitsText(declared)} is declared. See \`npm run status\`.`,
  );
