// The open loop: requests arrive at a rate, whether or not earlier ones have been answered. Each
// has an intended moment, and its latency counts from there: a server (or a generator) that falls
// behind shows in the numbers instead of being asked less.
import { Lane, type Work } from "./lane.ts";

/** Connections one process opens at most; arrivals beyond wait, and their waiting is counted. */
const maxLanes = 10_000;
/** Arrivals that wait for a connection at most; more are dropped, and the generator says so. */
const maxQueue = 100_000;

export class Arrivals {
  readonly #work: Work;
  readonly #lanes: ArrivalLane[] = [];
  readonly #idle: ArrivalLane[] = [];
  readonly #queue: number[] = [];
  #queueHead = 0;
  #stopped = false;
  #from = 0;
  #to = 0;
  #overMs = 0;
  #since = 0;
  /** Arrivals since `#since` that were due already. */
  #arrived = 0;
  /** Arrivals that were dropped because too many were waiting. */
  dropped = 0;
  /** Arrivals that still waited for a connection when it was stopped. */
  abandoned = 0;

  constructor(work: Work) {
    this.#work = work;
  }

  /** Connections there are. */
  get users(): number {
    return this.#lanes.length;
  }

  /** Requests a second: from `from` to `to`, linearly over `seconds`, then `to`. */
  setRate(from: number, to: number, seconds: number): void {
    this.#from = from;
    this.#to = to;
    this.#overMs = seconds * 1000;
    this.#since = this.#work.clock.now();
    this.#arrived = 0;
  }

  /** To be called about every millisecond. */
  turn(now: number): void {
    if (this.#stopped) return;
    for (;;) {
      const due = this.#since + arrivalTime(this.#arrived, this.#from, this.#to, this.#overMs);
      if (!(due <= now)) return;
      this.#arrived += 1;
      this.#arrive(due);
    }
  }

  #arrive(due: number): void {
    const now = this.#work.clock.now();
    this.#work.lag.record((now - due) * 1000);
    let lane = this.#idle.pop();
    if (lane === undefined && this.#lanes.length < maxLanes) {
      lane = new ArrivalLane(this.#work, this.#lanes.length, (one) => {
        this.#free(one);
      });
      this.#lanes.push(lane);
    }
    if (lane !== undefined) this.#start(lane, now, due);
    else if (this.#queue.length - this.#queueHead < maxQueue) this.#queue.push(due);
    else this.dropped += 1;
  }

  #start(lane: ArrivalLane, now: number, due: number): void {
    if (!lane.start(now, due)) this.#idle.push(lane);
  }

  #free(lane: ArrivalLane): void {
    if (this.#stopped) {
      lane.close();
      return;
    }
    const due = this.#queue[this.#queueHead];
    if (due === undefined) {
      this.#idle.push(lane);
      return;
    }
    this.#queueHead += 1;
    if (this.#queueHead > 1000 && this.#queueHead * 2 > this.#queue.length) {
      this.#queue.splice(0, this.#queueHead);
      this.#queueHead = 0;
    }
    this.#start(lane, this.#work.clock.now(), due);
  }

  sweep(now: number): void {
    for (const lane of this.#lanes) lane.expire(now);
  }

  /** No request starts from now on; those under way go on. */
  stop(): void {
    this.#stopped = true;
    this.abandoned += this.#queue.length - this.#queueHead;
    this.#queue.length = 0;
    this.#queueHead = 0;
    for (const lane of this.#idle) lane.close();
  }

  close(): void {
    this.stop();
    for (const lane of this.#lanes) lane.close();
    this.#lanes.length = 0;
  }
}

/**
 * When arrival number `n` (from 0) is due, in ms after the start, at a rate that goes linearly
 * from `from` to `to` a second within `overMs` and stays there; Infinity when never.
 */
export function arrivalTime(n: number, from: number, to: number, overMs: number): number {
  // Half an interval in, so that a rate of one a second has one arrival in each second.
  const wanted = n + 0.5;
  const ramped = ((from + to) / 2) * (overMs / 1000);
  if (wanted > ramped) return to <= 0 ? Infinity : overMs + ((wanted - ramped) / to) * 1000;
  // wanted = from*t + (to-from)*t²/(2*over), solved for t; this form stays exact where from = to.
  const over = overMs / 1000;
  const slope = (to - from) / over;
  return ((2 * wanted) / (from + Math.sqrt(Math.max(0, from * from + 2 * slope * wanted)))) * 1000;
}

class ArrivalLane extends Lane {
  readonly #free: (lane: ArrivalLane) => void;

  constructor(work: Work, number: number, free: (lane: ArrivalLane) => void) {
    super(work, number);
    this.#free = free;
  }

  start(now: number, due: number): boolean {
    return this.send(now, due);
  }

  protected ended(): void {
    this.#free(this);
  }
}
