// Before the CLI runs: what somebody removed from the engine is still in the state. What no state
// records is taken away by the program, once an update has begun.
import { engineFacts, presentOn } from "./inventory.mjs";
import { lost } from "./plan.mjs";
import { engineOf, readState } from "./state.mjs";

/**
 * What a stack's state records of its engine that the engine has no more.
 * @param {string} stack
 * @param {NodeJS.ProcessEnv} env of the CLI
 * @returns {{ lost: import("./plan.mjs").Found[], elsewhere?: { recorded: string, found: string } }}
 *   `elsewhere`: the state is of another engine than the one that answers, so that nothing can be said
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
  return { lost: lost(state, presentOn(engine.swarm.manager)) };
}
