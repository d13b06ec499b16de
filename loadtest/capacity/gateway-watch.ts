// The gateway's own counters while a load goes on; of several gateways the sum.
import { setTimeout } from "node:timers/promises";
import { gatewayStats, type Gateways } from "../../infra/gateway-stats.ts";
import type { GatewayView } from "./observation.ts";

export interface GatewayCounters {
  /** Requests that wait for a replica. */
  readonly waiting: number;
  /** Replies 5xx that it gave its clients. */
  readonly errors: number;
  /** Requests that it sent again. */
  readonly retries: number;
  /** Replicas that it finds healthy. */
  readonly healthy: number;
}

/** From HAProxy's `show stat`: CSV with a header line. Pure. */
export function parseGatewayCounters(csv: string): GatewayCounters {
  const [header = "", ...lines] = csv.trim().split("\n");
  const columns = header.replace(/^# /, "").split(",");
  const rows = lines.map((line) => {
    const cells = line.split(",");
    return (name: string): string => cells[columns.indexOf(name)] ?? "";
  });
  const row = (proxy: string, kind: string, name: string): number =>
    rows
      .filter((cell) => cell("pxname") === proxy && cell("svname") === kind)
      .reduce((sum, cell) => sum + Number(cell(name) || 0), 0);
  return {
    waiting: row("replicas", "BACKEND", "qcur"),
    errors: row("api", "FRONTEND", "hrsp_5xx"),
    retries: row("replicas", "BACKEND", "wretr") + row("replicas", "BACKEND", "wredis"),
    healthy: row("replicas", "BACKEND", "act"),
  };
}

/** undefined where no gateway answers. */
async function look(gateways: Gateways): Promise<GatewayCounters | undefined> {
  const all = (await gatewayStats(gateways)).map(parseGatewayCounters);
  const sum = (of: (counters: GatewayCounters) => number): number =>
    all.reduce((total, counters) => total + of(counters), 0);
  return all.length === 0
    ? undefined
    : {
        waiting: sum(({ waiting }) => waiting),
        errors: sum(({ errors }) => errors),
        retries: sum(({ retries }) => retries),
        // Each of them has to know all replicas.
        healthy: Math.min(...all.map(({ healthy }) => healthy)),
      };
}

/** Waits until every gateway finds so many replicas healthy; gives up, for the load to tell, after 30 s. */
export async function gatewayKnows(gateways: Gateways, replicas: number): Promise<void> {
  for (let waited = 0; waited < 60; waited += 1) {
    if ((await look(gateways))?.healthy === replicas) return;
    await setTimeout(500);
  }
}

/** Looks at the counters every two seconds. */
export class GatewayWatch {
  readonly #gateways: Gateways;
  readonly #timer: NodeJS.Timeout;
  #first: GatewayCounters | undefined;
  #last: GatewayCounters | undefined;
  #queue = 0;

  constructor(gateways: Gateways) {
    this.#gateways = gateways;
    void this.#look();
    this.#timer = setInterval(() => void this.#look(), 2000);
  }

  /** With a last look. */
  close(): Promise<void> {
    clearInterval(this.#timer);
    return this.#look();
  }

  /** null where no gateway ever answered. */
  view(): GatewayView | null {
    const [first, last] = [this.#first, this.#last];
    if (first === undefined || last === undefined) return null;
    const [errors, retries] = [last.errors - first.errors, last.retries - first.retries];
    return { queue: this.#queue, errors, retries };
  }

  async #look(): Promise<void> {
    const counters = await look(this.#gateways);
    if (counters === undefined) return;
    this.#first ??= counters;
    this.#last = counters;
    this.#queue = Math.max(this.#queue, counters.waiting);
  }
}
