// Processes that are known by a variable in their environment: it comes down to all that they start,
// and stays when who started them is gone.
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";

/** What is given to a process so that it and whatever it starts is known again. */
export const mark = { INFERENCE_STACK_TRUST: randomUUID() };

const entry = Object.entries(mark).flat().join("=");

function isMarked(pid: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(entry);
  } catch {
    return false; // gone, or somebody else's
  }
}

const marked = (): number[] =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && isMarked(name))
    .map(Number);

/**
 * Kills all marked processes, with no time to do a thing, until there is none.
 *
 * @returns how many they were
 */
export function killMarked(): number {
  // Who is told to end may still be there when they are looked for again.
  const killed = new Set<number>();
  for (let pids = marked(); pids.length > 0; pids = marked()) {
    for (const pid of pids) {
      try {
        process.kill(pid, "SIGKILL");
        killed.add(pid);
      } catch {
        // ended meanwhile
      }
    }
  }
  return killed.size;
}
