/** A run of fewer rows says that nobody is about to wait for the next one. */
const CROWDED_ROWS = 8;
/** ms: what one rest adds to a request at most. */
const LONGEST_MS = 4;
/** Part of the time that would make the process use exactly its quota: so none of it is lost. */
const CAUTION = 0.9;

/**
 * ms to rest after `cpuMs` of computing within `wallMs`, so that the process comes to the share of a
 * core it has; 0 when it is there already. Pure.
 */
export const restMs = (cpuMs: number, wallMs: number, cpus: number): number =>
  Math.min(LONGEST_MS, Math.max(0, (CAUTION * cpuMs) / cpus - wallMs));

/**
 * Rests between batches of a replica that has only a part of a core. It has to stand still for the
 * rest of its time anyway: the kernel would take it away in one piece of up to 0.1 s, in the middle of
 * anything. Taken in small pieces while nothing is in hand, requests gather meanwhile, and share the
 * cost of the next run; with 0.2 CPU that is a third of the CPU time of a request.
 * @param cpus share of a core; nothing to do from 1 on
 * @returns called with the rows of a batch when its replies are out and nothing waits
 */
export function pacer(cpus: number | undefined): ((rows: number) => void) | undefined {
  if (cpus === undefined || cpus >= 1) return undefined;
  const never = new Int32Array(new SharedArrayBuffer(4));
  let usage = process.cpuUsage();
  let since = performance.now();
  return (rows) => {
    if (rows < CROWDED_ROWS) return;
    const { user, system } = process.cpuUsage(usage);
    const ms = restMs((user + system) / 1000, performance.now() - since, cpus);
    // Shorter ones would cost more than they bring.
    if (ms >= 0.2) Atomics.wait(never, 0, 0, ms);
    usage = process.cpuUsage();
    since = performance.now();
  };
}
