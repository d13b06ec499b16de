// Before the CLI runs: after `kill -9` of an `up` the backend is still locked, and what somebody removed
// from the engine is still in the state. A lock is cleared only when the process on this host that took
// it is dead. What no state records is taken away by the program, once an update has begun.
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { engineFacts, presentOn } from "./inventory.mjs";
import { lost } from "./plan.mjs";
import { engineOf, locksDir, readState } from "./state.mjs";

/** @param {number} pid */
function isPulumi(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("pulumi");
  } catch {
    try {
      process.kill(pid, 0);
      return true; // no /proc here: a living process is taken for the holder
    } catch {
      return false;
    }
  }
}

/**
 * Removes locks whose holder on this host is dead.
 * @param {string} stack
 * @returns {string[]} what was done, a sentence each
 */
export function clearDeadLocks(stack) {
  if (!existsSync(locksDir(stack))) return [];
  return readdirSync(locksDir(stack)).flatMap((name) => {
    const file = join(locksDir(stack), name);
    let holder;
    try {
      holder = JSON.parse(readFileSync(file, "utf8"));
    } catch {
      return [];
    }
    if (holder.hostname !== hostname() || isPulumi(holder.pid)) return [];
    rmSync(file, { force: true });
    return [`cleared the lock of process ${holder.pid}, which is gone`];
  });
}

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
