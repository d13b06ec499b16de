// The closed loop: each user sends, waits for the whole reply, thinks, and sends again, over a
// connection of its own. A request's latency runs from the moment it is handed to the socket
// (opening a connection included, when one is needed) to the last byte of its reply.
import { Connection, type Endpoint, type Receiver } from "./connection.ts";
import { Histogram } from "./histogram.ts";
import { TaskMeter, type TaskCounts } from "./meter.ts";
import type { Plan, PlannedTask } from "./plan.ts";
import type { Reply } from "../scenario/scenario.ts";
import { thinkMs } from "./think.ts";
import { Wheel, type Waiter } from "./wheel.ts";

/** Where time comes from; tests bring their own. */
export interface Clock {
  /** Milliseconds since some moment, with fractions, never going back. */
  now: () => number;
  unixMs: () => number;
  random: () => number;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  unixMs: () => Date.now(),
  random: Math.random,
};

export interface EngineOptions {
  plan: Plan;
  endpoint: Endpoint;
  /** A request without a whole reply after so long has failed. */
  timeoutMs: number;
  clock?: Clock;
}

export class Engine {
  readonly plan: Plan;
  readonly endpoint: Endpoint;
  readonly clock: Clock;
  readonly meters: TaskMeter[];
  /** How late sends are after their intended moments, in µs. */
  readonly lag = new Histogram();
  readonly #timeoutMs: number;
  readonly #weights: number[];
  readonly #users: User[] = [];
  readonly #wheel: Wheel<User>;
  #target = 0;
  #perSecond = 0;
  #spawnFrom = 0;
  #spawnedAt = 0;
  #lastSweep = 0;
  #numbered = 0;
  #stopping = false;
  #busy = 0;

  constructor(options: EngineOptions) {
    this.plan = options.plan;
    this.endpoint = options.endpoint;
    this.clock = options.clock ?? systemClock;
    this.#timeoutMs = options.timeoutMs;
    this.meters = this.plan.tasks.map(
      (task) => new TaskMeter(task.name, task.method, this.clock.unixMs),
    );
    let sum = 0;
    this.#weights = this.plan.tasks.map((task) => (sum += task.weight));
    this.#wheel = new Wheel(this.clock.now());
    this.#lastSweep = this.clock.now();
  }

  /** Users there are now. */
  get users(): number {
    return this.#users.length;
  }

  /** Requests under way. */
  get busy(): number {
    return this.#busy;
  }

  /** Moves to `users`, so many per second, evenly spread over each second. */
  setTarget(users: number, perSecond: number): void {
    this.#target = users;
    this.#perSecond = perSecond;
    this.#spawnFrom = this.#users.length;
    this.#spawnedAt = this.clock.now();
  }

  /** To be called about every millisecond. */
  turn(): void {
    const now = this.clock.now();
    if (!this.#stopping && this.#users.length !== this.#target) this.#spawn(now);
    this.#wheel.turn(now, (user) => {
      user.wake(now);
    });
    if (now - this.#lastSweep >= Math.min(100, this.#timeoutMs / 10)) {
      this.#lastSweep = now;
      for (const user of this.#users) user.expire(now, this.#timeoutMs);
    }
  }

  /** No request starts from now on; those under way go on until they end or `interrupt` is called. */
  stop(): void {
    this.#stopping = true;
    for (const user of this.#users) user.leaving = true;
  }

  /** Gives up what is under way, uncounted; closes everything. How many were given up. */
  interrupt(): number {
    const interrupted = this.#busy;
    this.stop();
    for (const user of this.#users) user.close();
    this.#users.length = 0;
    this.#busy = 0;
    return interrupted;
  }

  /** Counts since the last take, one entry for each task. */
  take(): TaskCounts[] {
    return this.meters.map((meter) => meter.take());
  }

  began(): void {
    this.#busy += 1;
  }

  ended(): void {
    this.#busy -= 1;
  }

  think(tookMs: number): number {
    return thinkMs(this.plan.thinkTime, this.clock.random, tookMs);
  }

  wait(user: User, due: number): void {
    this.#wheel.add(user, due);
  }

  /** A task by weight. */
  choose(): number {
    const weights = this.#weights;
    if (weights.length === 1) return 0;
    const at = this.clock.random() * weights[weights.length - 1]!;
    let index = 0;
    while (weights[index]! <= at) index += 1;
    return index;
  }

  #spawn(now: number): void {
    const moved = Math.floor(((now - this.#spawnedAt) / 1000) * this.#perSecond) + 1;
    if (this.#users.length < this.#target) {
      const wanted = Math.min(this.#target, this.#spawnFrom + moved);
      while (this.#users.length < wanted) {
        const user = new User(this, this.#numbered++);
        this.#users.push(user);
        user.wake(now);
      }
    } else {
      const wanted = Math.max(this.#target, this.#spawnFrom - moved);
      while (this.#users.length > wanted) {
        const user = this.#users.pop()!;
        user.leaving = true;
        if (!user.busy) user.close();
      }
    }
  }
}

class User implements Waiter, Receiver {
  due = 0;
  nextInSlot: Waiter | undefined = undefined;
  /** No further request; closes when the one under way ends. */
  leaving = false;
  readonly #engine: Engine;
  readonly #number: number;
  readonly #connection: Connection;
  #iteration = 0;
  #sentAt = 0;
  #task = 0;

  constructor(engine: Engine, number: number) {
    this.#engine = engine;
    this.#number = number;
    this.#connection = new Connection(engine.endpoint, this);
  }

  get busy(): boolean {
    return this.#connection.busy;
  }

  close(): void {
    this.#connection.close();
  }

  /** The think time is over: sends the next request. */
  wake(now: number): void {
    if (this.leaving) {
      this.close();
      return;
    }
    const engine = this.#engine;
    if (this.due > 0) engine.lag.record((now - this.due) * 1000);
    this.#send();
  }

  #send(): void {
    const engine = this.#engine;
    this.#task = engine.choose();
    const task = engine.plan.tasks[this.#task]!;
    const request = task.next(this.#number, this.#iteration++);
    engine.began();
    this.#sentAt = engine.clock.now();
    this.#connection.send(request, task.method === "HEAD", task.check !== undefined);
  }

  expire(now: number, timeoutMs: number): void {
    if (this.#connection.busy && now - this.#sentAt >= timeoutMs) {
      this.#connection.fail(`timed out after ${timeoutMs} ms`);
    }
  }

  replied(): void {
    const engine = this.#engine;
    const now = engine.clock.now();
    const { reply } = this.#connection;
    const meter = engine.meters[this.#task]!;
    const wrong = problemOf(engine.plan.tasks[this.#task]!, reply.status, () => reply.body());
    if (wrong === undefined) meter.ok((now - this.#sentAt) * 1000, reply.bodyBytes);
    else meter.failed((now - this.#sentAt) * 1000, reply.bodyBytes, wrong);
    this.#next(now, 0);
  }

  broke(failure: string): void {
    const engine = this.#engine;
    const now = engine.clock.now();
    engine.meters[this.#task]!.failed((now - this.#sentAt) * 1000, 0, failure);
    // A server that refuses at once must not be asked again in the same breath.
    this.#next(now, 1);
  }

  #next(now: number, leastMs: number): void {
    const engine = this.#engine;
    engine.ended();
    if (this.leaving) {
      this.close();
      return;
    }
    const think = Math.max(leastMs, engine.think(now - this.#sentAt));
    if (think > 0) engine.wait(this, now + think);
    else this.#send();
  }
}

function problemOf(task: PlannedTask, status: number, body: () => Buffer): string | undefined {
  if (task.check === undefined) {
    return status >= 200 && status < 400 ? undefined : `status ${status}`;
  }
  const reply: Reply = {
    status,
    body: () => body().toString("utf8"),
    json: () => JSON.parse(body().toString("utf8")) as unknown,
  };
  try {
    return task.check(reply);
  } catch (error) {
    return `check threw: ${error instanceof Error ? error.message : String(error)}`;
  }
}
