// Before the CLI runs: what somebody removed from the engine is still in the state. What no state
// records is taken away by the program, once an update has begun.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { root } from "../clone.mjs";
import { projectNode } from "../paths.mjs";
import { engineFacts, presentOn } from "./inventory.mjs";
import { lost } from "./plan.mjs";
import { engineOf, readState, swarmOf } from "./state.mjs";

/**
 * A stack's state beside the engine that answers.
 * @param {string} stack
 * @param {NodeJS.ProcessEnv} env of the CLI
 * @returns {import("./plan.mjs").Inspection}
 */
export function inspectStack(stack, env) {
  let state;
  let engine;
  try {
    state = readState(stack, env);
    if (state === undefined || state.length === 0) return { lost: [] };
    engine = engineFacts();
  } catch {
    // No engine, or no backend: the CLI or the program says so itself, in its own words.
    return { lost: [] };
  }
  const recorded = engineOf(state);
  if (recorded !== undefined && engine.id !== "" && recorded !== engine.id) {
    return { lost: [], elsewhere: { recorded, found: engine.id } };
  }
  const swarm = engine.swarm.state === "inactive" ? swarmOf(state) : undefined;
  return {
    lost: lost(state, presentOn(engine.swarm.manager)),
    ...(swarm === undefined ? {} : { leftSwarm: swarm }),
  };
}

/**
 * Makes the Swarm again that a stack had made and somebody left.
 * @param {string} stack
 * @param {NodeJS.ProcessEnv} env of the CLI
 */
export function rejoin(stack, env) {
  spawnSync(projectNode, [join(root, "infra", "rejoin-swarm.ts"), stack], {
    env,
    stdio: "inherit",
  });
}
