import type { Services } from "../exchange.ts";
import { problem, type Problem } from "../problem.ts";
import { NO_MODEL } from "./operation.ts";

const DRAINING = problem(503, "The service is shutting down.");

/** There is no model, and what the registry has to do with it. */
export function noModel({ registry }: Services): Problem {
  const status = registry?.();
  const reason = status?.refused?.reason ?? status?.check?.reason;
  return reason === undefined
    ? NO_MODEL
    : { ...NO_MODEL, detail: `${NO_MODEL.detail ?? ""} The registry: ${reason}` };
}

/** Why it takes no requests; undefined when it does. */
export const unready = (services: Services): Problem | undefined =>
  services.state.draining ? DRAINING : services.slot.current ? undefined : noModel(services);
