import { fork, type ChildProcess } from "node:child_process";
import type { Order, Report } from "./messages.ts";
import { Questions } from "./questions.ts";

/** Set for every process but the first. */
const MARK = "INFERENCE_WORKER";

export const isWorker = (): boolean => process.env[MARK] !== undefined;

/** A process that the first one has started: the same program, on the same port. */
export class Worker {
  readonly process: ChildProcess;
  readonly metrics = new Questions<object | undefined>();
  /** Why it will not serve a candidate; undefined when it will. */
  readonly refusals = new Questions<string | undefined>();

  /** @param onJoined called when it asks what to serve */
  constructor(port: number, onJoined: () => void) {
    const child = fork(process.argv[1] ?? "", process.argv.slice(2), {
      env: { ...process.env, [MARK]: "1", PORT: String(port) },
    });
    this.process = child;
    child.on("message", (report: Report) => {
      if (report.type === "joined") onJoined();
      else if (report.type === "prepared") this.refusals.answer(report.id, report.refusal);
      else this.metrics.answer(report.id, report.metrics);
    });
    child.once("exit", () => {
      this.metrics.answerAll(undefined);
      this.refusals.answerAll("a process of the service ended while it loaded the model");
    });
  }

  send(order: Order): void {
    if (this.process.connected) this.process.send(order);
  }
}
