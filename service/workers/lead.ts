import { once } from "node:events";
import { AggregatorRegistry } from "prom-client";
import { errorOf } from "../model/fault.ts";
import type { Candidate } from "../model/installer.ts";
import { machineMs } from "../model/slot.ts";
import { NOTHING_YET } from "../model/watch.ts";
import { firstFailure } from "./in-turn.ts";
import type { Order } from "./messages.ts";
import type { LeadTeam, TeamOptions } from "./team.ts";
import { Worker } from "./worker.ts";

const RESTART_MS = 1000;
/** The longest a process may take to tell its metrics; the others' are given without them then. */
const METRICS_MS = 2000;
/** The longest a process may take to load a model. */
const PREPARE_MS = 300_000;
/** This process has loaded it by then. */
const TOO_LATE = {
  reason: `a process of the service did not load the model within ${PREPARE_MS / 1000} s`,
  fault: false,
};
/** From the decision to the instant at which all change over: each must have heard of it by then. */
const NOTICE_MS = 1000;

/**
 * The first process: it serves like the others, and starts them on the port it has. The kernel spreads
 * connections over them, so that no process does nothing but hand them on. It alone looks at the
 * registry, and has all of them change models at the same instant.
 */
export function leadTeam({ registry, installer, log }: TeamOptions): LeadTeam {
  /** Those that run, and those of them that serve. */
  const started = new Set<Worker>();
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
        METRICS_MS,
        undefined,
      ),
    );
    const own = await registry.getMetricsAsJSON();
    const all = [own, ...(await Promise.all(others)).filter((metrics) => metrics !== undefined)];
    return AggregatorRegistry.aggregate(all).metrics();
  };

  const startOne = (port: number): void => {
    const worker = new Worker(port, () => {
      // In the middle of a promotion it would learn of neither the old model nor the new one in time.
      void installing.then(() => {
        members.add(worker);
        worker.send({ type: "welcome", candidate: serving, status });
      });
    });
    started.add(worker);
    worker.process.on("error", (error) => {
      log.error({ err: error }, "a worker process failed");
    });
    worker.process.once("exit", (code, signal) => {
      started.delete(worker);
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
    const failure = await firstFailure(
      [...members].map(
        // One that has ended meanwhile is replaced by another, which learns what to serve when it joins.
        (member) => async () =>
          members.has(member)
            ? member.failures.ask(
                (id) => {
                  member.send({ type: "prepare", id, candidate });
                },
                PREPARE_MS,
                TOO_LATE,
              )
            : undefined,
      ),
    );
    if (failure !== undefined) {
      installer.discard();
      broadcast({ type: "discard" });
      throw errorOf(failure);
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
        [...started].map(async ({ process: child }) => {
          child.kill("SIGTERM");
          await once(child, "exit");
        }),
      );
    },
  };
}
