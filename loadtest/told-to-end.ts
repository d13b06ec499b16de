// How a process of the load test is told to end: nobody else could stop the load that it leaves behind.

import { readFileSync } from "node:fs";

/** A terminal's Ctrl-C, a supervisor's word, a terminal that closes. */
export const endSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** The parent, and the parent's: npm runs its scripts in a shell, which stays when npm is killed. */
function parents(): string {
  try {
    const status = readFileSync(`/proc/${process.ppid}/status`, "utf8");
    return `${process.ppid} ${/^PPid:\s+(\d+)/m.exec(status)?.[1] ?? ""}`;
  } catch {
    return String(process.ppid); // no /proc here, or the parent is just gone
  }
}

/**
 * Calls `end` at each signal to end, and once when whoever started this process is gone. Returns what
 * puts the old behaviour back.
 */
export function onToldToEnd(end: () => void): () => void {
  for (const signal of endSignals) process.on(signal, end);
  process.once("disconnect", end);
  const first = parents();
  // npm has no channel to its scripts. Any other parent without one may well end before: a shell is left.
  const watched = process.channel === undefined && process.env["npm_lifecycle_event"] !== undefined;
  const watch = setInterval(() => {
    if (!watched || parents() === first) return;
    clearInterval(watch);
    end();
  }, 500).unref();
  return () => {
    clearInterval(watch);
    for (const signal of endSignals) process.off(signal, end);
    process.off("disconnect", end);
  };
}
