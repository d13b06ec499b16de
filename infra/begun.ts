import { writeFileSync } from "node:fs";
import { declaredOf } from "../toolchain/launcher/inventory.mjs";
import { type Begun, begunVariable, shortId } from "../toolchain/launcher/interrupt.mjs";
import type { EngineInfo } from "./engine.ts";

/** Tells the launcher, where there is one, that the update has begun, and what the stack had before it. */
export function noteBegun(identity: string, { Swarm }: Pick<EngineInfo, "Swarm">): void {
  const file = process.env[begunVariable];
  if (file === undefined) return;
  const before = declaredOf(identity, Swarm.ControlAvailable).map(({ id }) => shortId(id));
  writeFileSync(file, JSON.stringify({ identity, before } satisfies Begun));
}
