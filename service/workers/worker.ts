import { fork, type ChildProcess } from "node:child_process";
import type { Failure } from "../model/fault.ts";
import type { Order, Report } from "./messages.ts";
import { Questions } from "./questions.ts";

/** Set for every process but the first. */
const MARK = "INFERENCE_WORKER";

export const isWorker = (): boolean => process.env[MARK] !== undefined;

/** It says nothing about the model, however it came about. */
const GONE: Failure = {
  reason: "a process of the service ended while it loaded the model",
  fault: false,
};

/** A process that the first one has started: the same program, on the same port. */
export class Worker {
  readonly process: ChildProcess;
  readonly metrics = new Questions<object | undefined>();
  /** Why it cannot serve a candidate; undefined when it can. */
  readonly failures = new Questions<Failure | undefined>();

  /** @param onJoined called when it asks what to serve */
  constructor(port: number, onJoined: () => void) {
    const child = fork(process.argv[1] ?? "", process.argv.slice(2), {
      env: { ...process.env, [MARK]: "1", PORT: String(port) },
    });
    this.process = child;
    child.on("message", (report: Report) => {
      if (report.type === "joined") onJoined();
      else if (report.type === "prepared") this.failures.answer(report.id, report.failure);
      else this.metrics.answer(report.id, report.metrics);
    });
    for (const event of ["exit", "disconnect"] as const) child.once(event, this.#nobodyAnswers);
  }

  send(order: Order): void {
    if (this.process.connected) this.process.send(order);
    else this.#nobodyAnswers();
  }

  readonly #nobodyAnswers = (): void => {
    this.metrics.answerAll(undefined);
    this.failures.answerAll(GONE);
  };
}
