import { NOTHING_YET } from "../model/watch.ts";
import { failureOf, type Failure } from "../model/fault.ts";
import type { Candidate } from "../model/installer.ts";
import type { Order, Report } from "./messages.ts";
import type { Team, TeamOptions } from "./team.ts";

/** Any other process: it does as the first one says, and ends when that is gone. */
export function joinTeam({ registry, installer, log }: TeamOptions, leave: () => void): Team {
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
  const prepare = (candidate: Candidate): { readonly failure?: Failure } => {
    try {
      installer.prepare(candidate);
      return {};
    } catch (error) {
      return { failure: failureOf(error) };
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
      }
    });
  });
  process.on("disconnect", leave);
  report({ type: "joined" });
  return {
    welcomed,
    status: () => status,
    stop: () => Promise.resolve(),
  };
}
