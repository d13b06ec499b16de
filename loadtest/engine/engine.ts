// The engine of one process: users or arrivals, whichever it was told last.
import { Arrivals } from "./arrivals.ts";
import { systemClock, type Clock } from "./clock.ts";
import { Connection, type Endpoint } from "./connection.ts";
import { Crowd } from "./crowd.ts";
import { Work, type ThrownCount } from "./lane.ts";
import type { TaskCounts } from "./meter.ts";
import type { Plan } from "./plan.ts";

export interface EngineOptions {
  plan: Plan;
  endpoint: Endpoint;
  /** A request without a whole reply after so long has failed. */
  timeoutMs: number;
  clock?: Clock;
}

export class Engine {
  readonly #work: Work;
  readonly #crowd: Crowd;
  readonly #arrivals: Arrivals;
  #sweptAt: number;

  constructor({ plan, endpoint, timeoutMs, clock = systemClock }: EngineOptions) {
    this.#work = new Work(plan, (receiver) => new Connection(endpoint, receiver), timeoutMs, clock);
    this.#crowd = new Crowd(this.#work);
    this.#arrivals = new Arrivals(this.#work);
    this.#sweptAt = clock.now();
  }

  /** Users there are; in an open loop, connections. */
  get users(): number {
    return this.#crowd.users + this.#arrivals.users;
  }

  /** Requests under way. */
  get busy(): number {
    return this.#work.busy;
  }

  get lag(): Work["lag"] {
    return this.#work.lag;
  }

  /** Arrivals dropped so far. */
  get dropped(): number {
    return this.#arrivals.dropped;
  }

  setTarget(users: number, perSecond: number): void {
    this.#crowd.setTarget(users, perSecond);
  }

  setRate(from: number, to: number, seconds: number): void {
    this.#arrivals.setRate(from, to, seconds);
  }

  /** To be called about every millisecond. */
  turn(): void {
    const now = this.#work.clock.now();
    this.#crowd.turn(now);
    this.#arrivals.turn(now);
    if (now - this.#sweptAt >= Math.min(100, this.#work.timeoutMs / 10)) {
      this.#sweptAt = now;
      this.#crowd.sweep(now);
      this.#arrivals.sweep(now);
    }
  }

  /** No request starts from now on; those under way go on until they end or `close` is called. */
  stop(): void {
    this.#crowd.stop();
    this.#arrivals.stop();
  }

  /** Closes everything. How many requests were given up, uncounted. */
  close(): number {
    this.stop();
    const interrupted = this.#work.busy + this.#arrivals.abandoned;
    this.#crowd.close();
    this.#arrivals.close();
    this.#work.busy = 0;
    return interrupted;
  }

  /** Counts since the last take, one entry for each task. */
  take(): TaskCounts[] {
    return this.#work.meters.map((meter) => meter.take());
  }

  /** What the scenario threw since the last take. */
  takeThrown(): ThrownCount[] {
    const thrown = [...this.#work.thrown.values()];
    this.#work.thrown.clear();
    return thrown;
  }
}
