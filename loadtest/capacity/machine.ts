// What the engine's machine can give: a larger configuration is not tried, and never scaled down.
import type { EngineInfo } from "../../infra/engine.ts";
import { limitsText, type Limits } from "./space.ts";

/** Why this machine cannot run a configuration; undefined when it can. */
export function notRunnable(
  limits: Limits,
  { NCPU, MemTotal }: Pick<EngineInfo, "NCPU" | "MemTotal">,
): string | undefined {
  const { cpus, memory, replicas } = limits;
  const machine = Math.floor(MemTotal / 1024 ** 2);
  if (cpus * replicas > NCPU) {
    return `${limitsText(limits)} is ${+(cpus * replicas).toFixed(2)} CPU in all; the machine has ${NCPU}`;
  }
  if (memory * replicas > machine) {
    return `${limitsText(limits)} is ${memory * replicas}MB in all; the machine has ${machine}MB`;
  }
  return undefined;
}
