// A lane is one connection and what goes over it, one request at a time: it sends, takes the
// time, checks the reply and counts. Who decides when the next request goes is another matter.
import type { Reply } from "../scenario/scenario.ts";
import type { Clock } from "./clock.ts";
import type { Line, Receiver } from "./connection.ts";
import { Histogram } from "./histogram.ts";
import { statusError, TaskMeter } from "./meter.ts";
import type { Plan, PlannedTask } from "./plan.ts";
import { saidBy } from "./said.ts";

/** Something a scenario's own code threw. */
export interface ThrownCount {
  message: string;
  traceback: string;
  count: number;
}

/** What all lanes of one run in one process share. */
export class Work {
  readonly plan: Plan;
  /** Makes a lane's connection. */
  readonly open: (receiver: Receiver) => Line;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly meters: TaskMeter[];
  /** How late requests left after their intended moments, in µs. */
  readonly lag = new Histogram();
  readonly thrown = new Map<string, ThrownCount>();
  /** Requests under way. */
  busy = 0;
  readonly #weights: number[];

  constructor(plan: Plan, open: (receiver: Receiver) => Line, timeoutMs: number, clock: Clock) {
    this.plan = plan;
    this.open = open;
    this.timeoutMs = timeoutMs;
    this.clock = clock;
    this.meters = plan.tasks.map((task) => new TaskMeter(task.name, task.method, clock.unixMs));
    let sum = 0;
    this.#weights = plan.tasks.map((task) => (sum += task.weight));
  }

  /** The number of a task, chosen by weight. */
  choose(): number {
    const weights = this.#weights;
    if (weights.length === 1) return 0;
    const at = this.clock.random() * weights[weights.length - 1]!;
    let index = 0;
    while (weights[index]! <= at) index += 1;
    return index;
  }

  /** Counts what a scenario threw. */
  threw(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    const entry = this.thrown.get(message);
    if (entry !== undefined) entry.count += 1;
    else if (this.thrown.size < 100) {
      const traceback = error instanceof Error ? (error.stack ?? message) : message;
      this.thrown.set(message, { message, traceback, count: 1 });
    }
  }
}

const letterH = 72;

export abstract class Lane implements Receiver {
  protected readonly work: Work;
  readonly #connection: Line;
  readonly #number: number;
  #iteration = 0;
  #task = 0;
  #sentAt = 0;
  /** What latency counts from: the sending, or in an open loop the moment it was intended for. */
  #from = 0;

  constructor(work: Work, number: number) {
    this.work = work;
    this.#number = number;
    this.#connection = work.open(this);
  }

  get busy(): boolean {
    return this.#connection.busy;
  }

  /** When the last request was sent. */
  get sentAt(): number {
    return this.#sentAt;
  }

  /** Called when a request has ended and is counted. `whole` when its reply was. */
  protected abstract ended(now: number, whole: boolean): void;

  /** Sends the next request now. False when the scenario threw instead of making one. */
  protected send(now: number, from: number): boolean {
    const { work } = this;
    this.#task = work.choose();
    const task = work.plan.tasks[this.#task]!;
    let request: Buffer;
    try {
      request = task.next(this.#number, this.#iteration++);
    } catch (error) {
      work.threw(error);
      return false;
    }
    work.busy += 1;
    this.#sentAt = now;
    this.#from = from;
    this.#connection.send(request, request[0] === letterH, task.check !== undefined);
    return true;
  }

  close(): void {
    this.#connection.close();
  }

  /** Gives up a request that has taken too long. */
  expire(now: number): void {
    const { timeoutMs } = this.work;
    if (this.#connection.busy && now - this.#sentAt >= timeoutMs) {
      this.#connection.fail(`timed out after ${timeoutMs} ms`);
    }
  }

  replied(): void {
    const { work } = this;
    const now = work.clock.now();
    const { reply } = this.#connection;
    const wrong = problemOf(work.plan.tasks[this.#task]!, reply.status, () => reply.body(), work);
    const meter = work.meters[this.#task]!;
    const us = (now - this.#from) * 1000;
    if (wrong === undefined) meter.ok(us, reply.bodyBytes);
    else {
      if (this.wants(reply.status)) meter.said(reply.status, saidBy(reply.body()));
      meter.failed(us, reply.bodyBytes, wrong);
    }
    work.busy -= 1;
    this.ended(now, true);
  }

  /** What the first refusals of each status say is kept: the rest say the same, or too much to be read. */
  wants(status: number): boolean {
    const { plan, meters } = this.work;
    return plan.tasks[this.#task]!.check === undefined && !meters[this.#task]!.knows(status);
  }

  broke(failure: string): void {
    const { work } = this;
    const now = work.clock.now();
    work.meters[this.#task]!.failed((now - this.#from) * 1000, 0, failure);
    work.busy -= 1;
    this.ended(now, false);
  }
}

/** What is wrong with a reply, or undefined. */
function problemOf(
  task: PlannedTask,
  status: number,
  body: () => Buffer,
  work: Work,
): string | undefined {
  if (task.check === undefined) {
    return status >= 200 && status < 400 ? undefined : statusError(status);
  }
  const reply: Reply = {
    status,
    body: () => body().toString("utf8"),
    json: () => JSON.parse(body().toString("utf8")) as unknown,
  };
  try {
    return task.check(reply);
  } catch (error) {
    work.threw(error);
    return `check threw: ${error instanceof Error ? error.message : String(error)}`;
  }
}
