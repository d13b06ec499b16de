// What a container runs first: V8 takes the size of its heap from the command line alone, so the
// limits are read here and the same process then becomes the service. Nothing stays behind.
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { readLimits } from "./limits.ts";
import { chooseSizing, nodeFlags } from "./sizing.ts";

const flags = nodeFlags(chooseSizing(readLimits(), availableParallelism()));
process.execve?.(process.execPath, [
  process.execPath,
  ...flags,
  join(import.meta.dirname, "main.mjs"),
  ...process.argv.slice(2),
]);
