// What the engine's machine, or the Swarm's nodes, can give: a larger configuration is not tried, and
// never scaled down.
import { cpus as coresHere, arch, totalmem } from "node:os";
import { engineInfo } from "../../infra/engine.ts";
import { room, swarmNodes } from "../../infra/swarm-nodes.ts";
import type { Platform } from "../../infra/workload.ts";
import type { PartLimits } from "./observation.ts";
import { limitsText, type Limits } from "./space.ts";

const mebibyte = 1024 ** 2;

/** Every node that takes replicas. */
export async function machines(platform: Platform): Promise<PartLimits[]> {
  const { NCPU, MemTotal, Swarm } = await engineInfo();
  if (platform === "container" || !Swarm.ControlAvailable) {
    return [{ cpus: NCPU, memory: Math.floor(MemTotal / mebibyte) }];
  }
  return swarmNodes();
}

/** Why these machines cannot run a configuration; undefined when they can. */
export function notRunnable(limits: Limits, given: readonly PartLimits[]): string | undefined {
  const { cpus, memory, replicas } = limits;
  if (given.reduce((sum, machine) => sum + room(limits, machine), 0) >= replicas) return undefined;
  const [machine] = given;
  if (machine === undefined || given.length > 1) {
    const nodes = given.map((node) => `${node.cpus} CPU, ${node.memory}MB`).join("; ");
    return `${limitsText(limits)} does not fit on the Swarm's nodes (${nodes || "none is ready"})`;
  }
  return cpus * replicas > machine.cpus
    ? `${limitsText(limits)} is ${+(cpus * replicas).toFixed(2)} CPU in all; the machine has ${machine.cpus}`
    : `${limitsText(limits)} is ${memory * replicas}MB in all; the machine has ${machine.memory}MB`;
}

/** What trials were made on, for their report. */
export function machineText(given: readonly PartLimits[]): string {
  const [first] = coresHere();
  const here = `${coresHere().length} cores (${first?.model.trim() ?? arch()}), ${Math.round(totalmem() / 1024 ** 3)} GB`;
  return given.length > 1 ? `${given.length} nodes; the manager: ${here}` : here;
}
