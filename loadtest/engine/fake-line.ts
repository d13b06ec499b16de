// For tests: a clock that moves when told, and connections whose replies take as long as told.
import type { Clock } from "./clock.ts";
import type { Line, Receiver } from "./connection.ts";
import { Work } from "./lane.ts";
import type { PlannedTask } from "./plan.ts";
import type { ThinkTime } from "../scenario/scenario.ts";

export class FakeTime implements Clock {
  ms = 1000;
  readonly #due: { at: number; then: () => void }[] = [];
  now = (): number => this.ms;
  unixMs = (): number => 1_700_000_000_000 + this.ms;
  random = (): number => 0.5;

  after(ms: number, then: () => void): void {
    this.#due.push({ at: this.ms + ms, then });
  }

  /** Moves on by `ms` in steps of one, doing what falls due and `each` after it. */
  advance(ms: number, each: (now: number) => void): void {
    for (let i = 0; i < ms; i += 1) {
      this.ms += 1;
      this.#due.sort((a, b) => a.at - b.at);
      while (this.#due.length > 0 && this.#due[0]!.at <= this.ms) this.#due.shift()!.then();
      each(this.ms);
    }
  }
}

export interface Answer {
  afterMs: number;
  status?: number;
  failure?: string;
  body?: string;
}

/** Work whose `answer` says what becomes of each request; null answers never. */
export function fakeWork(
  time: FakeTime,
  answer: (request: Buffer, number: number) => Answer | null,
  options: { thinkTime?: ThinkTime; timeoutMs?: number; task?: Partial<PlannedTask> } = {},
): { work: Work; sent: number[] } {
  const sent: number[] = [];
  class FakeLine implements Line {
    reply = { status: 0, bodyBytes: 2, body: () => Buffer.from(this.#body) };
    #body = "ok";
    busy = false;
    #turn = 0;
    readonly #receiver: Receiver;

    constructor(receiver: Receiver) {
      this.#receiver = receiver;
    }

    send(request: Buffer): void {
      const turn = ++this.#turn;
      this.busy = true;
      sent.push(time.ms);
      const said = answer(request, sent.length - 1);
      if (said === null) return;
      time.after(said.afterMs, () => {
        if (!this.busy || turn !== this.#turn) return;
        if (said.failure !== undefined) {
          this.fail(said.failure);
          return;
        }
        this.busy = false;
        this.reply.status = said.status ?? 200;
        this.#body = said.body ?? "ok";
        this.#receiver.replied();
      });
    }

    close(): void {
      this.busy = false;
    }

    fail(failure: string): void {
      this.busy = false;
      this.#receiver.broke(failure);
    }
  }
  const task: PlannedTask = {
    name: "/x",
    method: "GET",
    weight: 1,
    next: () => Buffer.from("GET"),
    check: undefined,
    ...options.task,
  };
  const plan = {
    thinkTime: options.thinkTime ?? { kind: "constant" as const, seconds: 1 },
    tasks: [task],
  };
  const work = new Work(
    plan,
    (receiver) => new FakeLine(receiver),
    options.timeoutMs ?? 30_000,
    time,
  );
  return { work, sent };
}
