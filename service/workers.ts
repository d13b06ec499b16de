import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { AggregatorRegistry, type Registry } from "prom-client";
import type { Logger } from "./log.ts";

/** What processes of one replica say to each other. */
type Message =
  | { readonly type: "metrics" | "exposition"; readonly id: number }
  | { readonly type: "metrics-are"; readonly id: number; readonly metrics: object }
  | { readonly type: "exposition-is"; readonly id: number; readonly text: string };

/** The processes of a replica, as each of them sees them. */
export interface Team {
  /** Metrics of all of them, in the Prometheus text format. */
  exposition(): Promise<string>;
  /** Settles when the others have ended; the first process tells them to. */
  stop(): Promise<void>;
}

const RESTART_MS = 1000;
const ANSWER_MS = 2000;

/** Set for every process but the first. */
const WORKER = "INFERENCE_WORKER";

export const isWorker = (): boolean => process.env[WORKER] !== undefined;

const merge = (all: object[]): Promise<string> => AggregatorRegistry.aggregate(all).metrics();

/** Answers to questions asked of another process; one that does not come in time counts as none. */
class Questions<T> {
  readonly #open = new Map<number, (answer: T | undefined) => void>();
  #next = 0;

  ask(send: (id: number) => void): Promise<T | undefined> {
    const id = this.#next++;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.answer(id, undefined);
      }, ANSWER_MS);
      this.#open.set(id, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      send(id);
    });
  }

  answer(id: number, answer: T | undefined): void {
    this.#open.get(id)?.(answer);
    this.#open.delete(id);
  }
}

/**
 * The first process: it serves like the others, and starts them on the port it has. The kernel spreads
 * connections over them, so that no process does nothing but hand them on.
 */
export function leadTeam(size: number, port: number, registry: Registry, log: Logger): Team {
  const children = new Set<ChildProcess>();
  const questions = new Questions<object>();
  let stopping = false;

  const exposition = async (): Promise<string> => {
    const others = [...children].map((child) =>
      questions.ask((id) => void child.send({ type: "metrics", id } satisfies Message)),
    );
    const own = await registry.getMetricsAsJSON();
    return merge([own, ...(await Promise.all(others)).filter((metrics) => metrics !== undefined)]);
  };

  const startOne = (): void => {
    const child = fork(process.argv[1] ?? "", process.argv.slice(2), {
      env: { ...process.env, [WORKER]: "1", PORT: String(port) },
    });
    children.add(child);
    child.on("message", (message: Message) => {
      if (message.type === "metrics-are") questions.answer(message.id, message.metrics);
      if (message.type === "exposition") {
        void exposition().then((text) =>
          child.send({ type: "exposition-is", id: message.id, text } satisfies Message),
        );
      }
    });
    child.on("error", (error) => {
      log.error({ err: error }, "a worker process failed");
    });
    child.once("exit", (code, signal) => {
      children.delete(child);
      if (stopping) return;
      log.error({ code, signal }, "a worker process ended; starting another");
      setTimeout(() => {
        if (!stopping) startOne();
      }, RESTART_MS);
    });
  };
  for (let i = 1; i < size; i++) startOne();

  return {
    exposition: () => (children.size === 0 ? registry.metrics() : exposition()),
    stop: async () => {
      stopping = true;
      await Promise.all(
        [...children].map(async (child) => {
          child.kill("SIGTERM");
          await once(child, "exit");
        }),
      );
    },
  };
}

/** Any other process: it asks the first for what all of them know, and ends when that is gone. */
export function joinTeam(registry: Registry, leave: () => void): Team {
  const questions = new Questions<string>();
  process.on("message", (message: Message) => {
    if (message.type === "exposition-is") questions.answer(message.id, message.text);
    if (message.type === "metrics") {
      void registry
        .getMetricsAsJSON()
        .then((metrics) =>
          process.send?.({ type: "metrics-are", id: message.id, metrics } satisfies Message),
        );
    }
  });
  process.on("disconnect", leave);
  return {
    exposition: async () => {
      const text = await questions.ask((id) =>
        process.send?.({ type: "exposition", id } satisfies Message),
      );
      return text ?? registry.metrics();
    },
    stop: () => Promise.resolve(),
  };
}
