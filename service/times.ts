// What has to outlast a request's deadline, in ms. Each is derived from it, so that none of them cuts off
// what the deadline allows. Other layers take theirs from here: who waits for this service waits longer.

/** A run of the model that began in time may end later: so long after the deadline is still waited. */
export const ANSWER_MS = 5000;

/** For how long requests are still taken after SIGTERM, while the gateway notices. */
export const DRAIN_DELAY_MS = 3000;

/** For a sender's whole request: a body that comes slowly uses up the deadline, and nothing before it. */
export const requestTimeoutFor = (deadline: number): number => Math.max(30_000, deadline);

/** From SIGTERM to the end: a request that came at the last moment is sent, computed and answered. */
export const graceFor = (
  deadline: number,
  requestTimeout: number = requestTimeoutFor(deadline),
  drainDelay: number = DRAIN_DELAY_MS,
): number => drainDelay + Math.max(deadline, requestTimeout) + ANSWER_MS;

/**
 * A body that is on its way keeps a place at the gateway from others: after a moment it has to come at a
 * pace that any line has, 8 kB a second. A small one is all there before a gateway hands it on, and has
 * the whole time of its request.
 */
const PACE_AFTER_MS = 3000;
const PACE_BYTES_PER_MS = 8;
const SMALL_BYTES = 16 * 1024;

/**
 * Whether a body comes too slowly.
 * @param bytes that came in so many ms
 * @param declared its whole length in bytes; undefined where it is not told
 */
export const fallsBehind = (bytes: number, ms: number, declared: number | undefined): boolean =>
  (declared === undefined || declared > SMALL_BYTES) &&
  bytes < (ms - PACE_AFTER_MS) * PACE_BYTES_PER_MS;
