// Tells the load test's page how a search goes on. The search does not depend on it: where the page
// cannot be told, nobody looks at it.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { dockerHost } from "../../infra/engine.ts";
import type { ToldLimits, ToldSearch } from "../told-search.ts";
import { certify } from "./certificate.ts";
import { stackContainers } from "./containers.ts";
import type { Question } from "./question.ts";
import type { TrialRecord } from "./record.ts";
import type { SearchOptions } from "./search.ts";
import type { Limits } from "./space.ts";

const plain = ({ cpus, memory, replicas }: Limits): ToldLimits => ({ cpus, memory, replicas });

/** The cheapest that passes, as far as trials have shown. Pure. */
export function bestOf(options: SearchOptions, trials: readonly TrialRecord[]): ToldSearch["best"] {
  const certificate = certify(options, trials);
  return certificate === undefined
    ? null
    : { limits: plain(certificate.winner), proven: certificate.complete };
}

/** How a search, or a declared table, stands. Pure. */
export function toldOf(
  { plan, slo, axes }: Pick<Question, "plan" | "slo" | "axes">,
  trials: readonly TrialRecord[],
  now: { limits: Limits; purpose: string } | null,
  stands: Pick<ToldSearch, "best" | "declared" | "ended">,
): ToldSearch {
  const ascending = (values: readonly number[]): number[] =>
    [...new Set(values)].sort((a, b) => a - b);
  return {
    question: `${plan.users} users, ${slo}`,
    axes: {
      cpus: ascending(axes.cpus),
      memory: ascending(axes.memory),
      replicas: ascending(axes.replicas),
    },
    trials: trials.map(
      ({ limits, purpose, verdict, said, latency, rps, failures, took }) =>
        ({
          limits: plain(limits),
          purpose,
          verdict,
          said: said.slice(0, 1000),
          p95: latency?.p95 ?? null,
          rps,
          failures,
          seconds: took.total,
        }) as const,
    ),
    now: now === null ? null : { limits: plain(now.limits), purpose: now.purpose },
    ...stands,
  };
}

/** At most one telling at a time; of what comes meanwhile only the newest is told. */
export class Teller {
  readonly #stack: string;
  #next: ToldSearch | undefined;
  #telling: Promise<void> | undefined;

  constructor(stack: string) {
    this.#stack = stack;
  }

  tell(search: ToldSearch): void {
    this.#next = search;
    this.#telling ??= this.#tellAll().finally(() => (this.#telling = undefined));
  }

  /** Settles when everything was told, or could not be. */
  async told(): Promise<void> {
    await this.#telling;
  }

  async #tellAll(): Promise<void> {
    for (let search = this.#take(); search !== undefined; search = this.#take()) {
      await this.#one(search).catch(() => undefined);
    }
  }

  #take(): ToldSearch | undefined {
    const next = this.#next;
    this.#next = undefined;
    return next;
  }

  async #one(search: ToldSearch): Promise<void> {
    const { ids } = await stackContainers(this.#stack);
    const [master] = ids.loadtest;
    if (master === undefined) return;
    const program = ["node", "/app/main.mjs", "tell", "--settings", "/run/loadtest/settings.json"];
    const child = spawn("docker", ["-H", dockerHost(), "exec", "-i", master, ...program], {
      stdio: ["pipe", "ignore", "ignore"],
      timeout: 10_000,
    });
    child.stdin.on("error", () => undefined);
    child.stdin.end(JSON.stringify(search));
    await once(child, "close");
  }
}
