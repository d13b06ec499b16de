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
 * Eight hex digits of this folder, for what its commands make for the time they run. What a stack has
 * is known by the stack's own identity, which moves with its state and not with a folder.
 */
export const folderId = createHash("sha256").update(root).digest("hex").slice(0, 8);

/** Names of the labels that everything the stack makes carries. */
export const label = {
  stack: "inference-stack.stack",
  part: "inference-stack.part",
  // The identity of the stack, as its state has it.
  clone: "inference-stack.clone",
  // What a command made in passing: the folder it was run in.
  folder: "inference-stack.folder",
  // Made by the Pulumi program itself, so what no state records may be removed after a crash.
  declared: "inference-stack.declared",
  // A container's networks, by their ids: in another of the same name it has to be made anew.
  networks: "inference-stack.networks",
  // A volume with the files of a workload: other files are another volume.
  files: "inference-stack.files",
  // On the node of a Swarm that a stack made: which one.
  swarm: "inference-stack.swarm",
};
