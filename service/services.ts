import { Arriving } from "./arriving.ts";
import type { Budget } from "./budget.ts";
import type { Services } from "./exchange.ts";
import { AccessLog } from "./log.ts";
import type { ServiceSettings } from "./settings.ts";
import { Unsent } from "./unsent.ts";

type Given = Pick<Services, "slot" | "metrics" | "log" | "registry"> & {
  readonly settings: Pick<ServiceSettings, "maxBody" | "maxRows" | "requestTimeout">;
  readonly budget: Budget;
};

/** What every route may use, of a process that takes requests. */
export const makeServices = ({ settings, budget, ...given }: Given): Services => ({
  ...given,
  access: new AccessLog(given.log),
  maxBody: settings.maxBody,
  maxRows: settings.maxRows,
  budget,
  unsent: new Unsent(budget, settings.requestTimeout),
  arriving: new Arriving(),
  state: { draining: false, closing: false },
});
