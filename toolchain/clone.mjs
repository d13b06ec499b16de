// What tells this clone of the project from every other one on the same machine or engine.
// Dependency-free: it is read before anything is installed.
import { createHash } from "node:crypto";
import { realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** Absolute path of the project's top level. */
export const root = realpathSync(join(dirname(fileURLToPath(import.meta.url)), ".."));

/** Everything this clone keeps on disk and git ignores: Pulumi's home, the local backend, build contexts. */
export const stateDir = join(root, ".state");

/**
 * Eight hex digits, the same for every command run in this clone. Derived from the path, so a
 * clone whose state was deleted still finds, and can remove, what it left on the engine.
 */
export const cloneId = createHash("sha256").update(root).digest("hex").slice(0, 8);

/** Names of the labels that everything the stack makes carries. */
export const label = {
  stack: "inference-stack.stack",
  part: "inference-stack.part",
  clone: "inference-stack.clone",
  // Made by the Pulumi program itself, so what no state records may be removed after a crash.
  declared: "inference-stack.declared",
  // On the node of a Swarm that a stack made: which one.
  swarm: "inference-stack.swarm",
};
