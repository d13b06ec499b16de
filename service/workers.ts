import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { AggregatorRegistry, type Registry } from "prom-client";
import type { Logger } from "./log.ts";
import type { Candidate, Installer } from "./model/installer.ts";
import { machineMs } from "./model/slot.ts";
import { NOTHING_YET, type WatchStatus } from "./model/watch.ts";

/** What the first process of a replica says to another. */
type Order =
  /** The answer to `joined`: what is served, if anything. */
  | {
      readonly type: "welcome";
      readonly candidate: Candidate | undefined;
      readonly status: WatchStatus;
    }
  | { readonly type: "status"; readonly status: WatchStatus }
  | { readonly type: "prepare"; readonly id: number; readonly candidate: Candidate }
  | { readonly type: "discard" }
  | { readonly type: "commit"; readonly candidate: Candidate; readonly at: number }
  | { readonly type: "metrics"; readonly id: number }
  | { readonly type: "exposition-is"; readonly id: number; readonly text: string };

/** What another process says to the first. */
type Report =
  | { readonly type: "joined" }
  | { readonly type: "prepared"; readonly id: number; readonly refusal?: string }
  | { readonly type: "metrics-are"; readonly id: number; readonly metrics: object }
  | { readonly type: "exposition"; readonly id: number };

/** The processes of a replica, as each of them sees them. */
export interface Team {
  /** Settles when this process serves what the others serve: it may listen then. */
  readonly welcomed: Promise<void>;
  /** Metrics of all of them, in the Prometheus text format. */
  exposition(): Promise<string>;
  /** What the registry's watcher, which runs in the first process, says. */
  status(): WatchStatus;
  /** Settles when the others have ended; the first process tells them to. */
  stop(): Promise<void>;
}

export interface LeadTeam extends Team {
  /** Starts the others, on the port that this process has. */
  readonly start: (size: number, port: number) => void;
  /**
   * Has every process load and check a model, and then all serve it from one instant on.
   * Throws Error with the reason when one of them refuses it; none serves it then.
   */
  readonly install: (candidate: Candidate) => Promise<void>;
  /** Passes on what the watcher says. */
  readonly tell: (status: WatchStatus) => void;
}

export interface TeamOptions {
  readonly registry: Registry;
  readonly installer: Installer;
  readonly log: Logger;
}

const RESTART_MS = 1000;
const ANSWER_MS = 2000;
/** The longest a process may take to load a model. */
const PREPARE_MS = 300_000;
/** From the decision to the instant at which all change over: each must have heard of it by then. */
const NOTICE_MS = 1000;

/** Set for every process but the first. */
const WORKER = "INFERENCE_WORKER";

export const isWorker = (): boolean => process.env[WORKER] !== undefined;

const merge = (all: object[]): Promise<string> => AggregatorRegistry.aggregate(all).metrics();

/** Answers to questions asked of another process. */
class Questions<T> {
  readonly #open = new Map<number, (answer: T) => void>();
  #next = 0;

  /** `otherwise` is the answer when none comes within `ms`. */
  ask(send: (id: number) => void, ms: number, otherwise: T): Promise<T> {
    const id = this.#next++;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.answer(id, otherwise);
      }, ms);
      this.#open.set(id, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      send(id);
    });
  }

  answer(id: number, answer: T): void {
    this.#open.get(id)?.(answer);
    this.#open.delete(id);
  }

  /** Nobody is there any more who could. */
  answerAll(answer: T): void {
    for (const id of [...this.#open.keys()]) this.answer(id, answer);
  }
}

/** A process that the first one has started. */
class Worker {
  readonly process: ChildProcess;
  readonly metrics = new Questions<object | undefined>();
  /** Why it will not serve a candidate; undefined when it will. */
  readonly refusals = new Questions<string | undefined>();

  constructor(child: ChildProcess) {
    this.process = child;
    child.once("exit", () => {
      this.metrics.answerAll(undefined);
      this.refusals.answerAll("a process of the service ended while it loaded the model");
    });
  }

  send(order: Order): void {
    if (this.process.connected) this.process.send(order);
  }
}

/**
 * The first process: it serves like the others, and starts them on the port it has. The kernel spreads
 * connections over them, so that no process does nothing but hand them on. It alone looks at the
 * registry, and has all of them change models at the same instant.
 */
export function leadTeam({ registry, installer, log }: TeamOptions): LeadTeam {
  const children = new Set<ChildProcess>();
  const members = new Set<Worker>();
  let serving: Candidate | undefined;
  let status = NOTHING_YET;
  let installing: Promise<unknown> = Promise.resolve();
  let stopping = false;

  const broadcast = (order: Order): void => {
    for (const member of members) member.send(order);
  };

  const exposition = async (): Promise<string> => {
    const others = [...members].map((member) =>
      member.metrics.ask(
        (id) => {
          member.send({ type: "metrics", id });
        },
        ANSWER_MS,
        undefined,
      ),
    );
    const own = await registry.getMetricsAsJSON();
    return merge([own, ...(await Promise.all(others)).filter((metrics) => metrics !== undefined)]);
  };

  const hear = (worker: Worker, report: Report): void => {
    switch (report.type) {
      case "joined":
        // In the middle of a promotion it would learn of neither the old model nor the new one in time.
        void installing.then(() => {
          members.add(worker);
          worker.send({ type: "welcome", candidate: serving, status });
        });
        break;
      case "prepared":
        worker.refusals.answer(report.id, report.refusal);
        break;
      case "metrics-are":
        worker.metrics.answer(report.id, report.metrics);
        break;
      case "exposition":
        void exposition().then((text) => {
          worker.send({ type: "exposition-is", id: report.id, text });
        });
    }
  };

  const startOne = (port: number): void => {
    const child = fork(process.argv[1] ?? "", process.argv.slice(2), {
      env: { ...process.env, [WORKER]: "1", PORT: String(port) },
    });
    const worker = new Worker(child);
    children.add(child);
    child.on("message", (report: Report) => {
      hear(worker, report);
    });
    child.on("error", (error) => {
      log.error({ err: error }, "a worker process failed");
    });
    child.once("exit", (code, signal) => {
      children.delete(child);
      members.delete(worker);
      if (stopping) return;
      log.error({ code, signal }, "a worker process ended; starting another");
      setTimeout(() => {
        if (!stopping) startOne(port);
      }, RESTART_MS);
    });
  };

  const install = async (candidate: Candidate): Promise<void> => {
    installer.prepare(candidate);
    const refusals = await Promise.all(
      [...members].map((member) =>
        member.refusals.ask(
          (id) => {
            member.send({ type: "prepare", id, candidate });
          },
          PREPARE_MS,
          `a process of the service did not load the model within ${PREPARE_MS / 1000} s`,
        ),
      ),
    );
    const refusal = refusals.find((reason) => reason !== undefined);
    if (refusal !== undefined) {
      installer.discard();
      broadcast({ type: "discard" });
      throw new Error(refusal);
    }
    const changesOver = serving !== undefined && members.size > 0;
    const at = changesOver ? machineMs() + NOTICE_MS : 0;
    broadcast({ type: "commit", candidate, at });
    await installer.commit(candidate, at);
    serving = candidate;
  };

  return {
    welcomed: Promise.resolve(),
    start: (size, port) => {
      for (let i = 1; i < size; i++) startOne(port);
    },
    install: (candidate) => {
      const done = install(candidate);
      installing = done.catch(() => undefined);
      return done;
    },
    tell: (latest) => {
      status = latest;
      broadcast({ type: "status", status });
    },
    status: () => status,
    exposition: () => (members.size === 0 ? registry.metrics() : exposition()),
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

/** Any other process: it does as the first one says, and ends when that is gone. */
export function joinTeam({ registry, installer, log }: TeamOptions, leave: () => void): Team {
  const questions = new Questions<string | undefined>();
  let status = NOTHING_YET;
  const report = (message: Report): void => {
    if (process.connected) process.send?.(message);
  };
  /** What the others serve, this process serves, or it ends and another is started. */
  const commit = (candidate: Candidate, at?: number): void => {
    installer.commit(candidate, at).catch((error: unknown) => {
      log.fatal({ err: error }, "this process cannot serve what the others serve");
      process.exit(1);
    });
  };
  const prepare = (candidate: Candidate): { readonly refusal?: string } => {
    try {
      installer.prepare(candidate);
      return {};
    } catch (error) {
      return { refusal: error instanceof Error ? error.message : String(error) };
    }
  };
  const welcomed = new Promise<void>((resolve) => {
    process.on("message", (order: Order) => {
      switch (order.type) {
        case "welcome":
          status = order.status;
          if (order.candidate) commit(order.candidate);
          resolve();
          break;
        case "status":
          status = order.status;
          break;
        case "prepare":
          report({ type: "prepared", id: order.id, ...prepare(order.candidate) });
          break;
        case "discard":
          installer.discard();
          break;
        case "commit":
          commit(order.candidate, order.at);
          break;
        case "metrics":
          void registry.getMetricsAsJSON().then((metrics) => {
            report({ type: "metrics-are", id: order.id, metrics });
          });
          break;
        case "exposition-is":
          questions.answer(order.id, order.text);
      }
    });
  });
  process.on("disconnect", leave);
  report({ type: "joined" });
  return {
    welcomed,
    status: () => status,
    exposition: async () => {
      const send = (id: number): void => {
        report({ type: "exposition", id });
      };
      return (await questions.ask(send, ANSWER_MS, undefined)) ?? registry.metrics();
    },
    stop: () => Promise.resolve(),
  };
}
