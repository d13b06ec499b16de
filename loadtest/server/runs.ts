// Finished runs, the newest first: files in a folder, or in memory where there is none.
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { RunSummary } from "../api.ts";
import { emptyView, fold, quantiles, type RunEvent, type RunView } from "../events.ts";

const maxRuns = 50;

interface Kept {
  summary: RunSummary;
  events: RunEvent[];
}

/** What lists and comparisons show of a run; null when it did not end or never began. */
export function summarize(view: RunView): RunSummary | null {
  const { started, ended, last } = view;
  if (started === undefined || ended === undefined || last === undefined) return null;
  const { total } = last;
  const at = (quantile: (typeof quantiles)[number]): number =>
    total.quantiles[quantiles.indexOf(quantile)]!;
  return {
    id: started.run,
    startedAt: started.at,
    endedAt: ended.at,
    reason: ended.reason,
    host: started.host,
    scenario: started.scenario,
    load: started.load,
    users: Math.max(0, ...view.ticks.map((tick) => tick.users)),
    requests: total.requests,
    failures: total.failures,
    rps: total.requests / Math.max(0.001, ended.at - (view.resetAt ?? started.at)),
    mean: total.mean,
    p50: at(0.5),
    p95: at(0.95),
    p99: at(0.99),
    max: total.max,
    limited: ended.limited,
    thresholds: ended.thresholds.map(({ text, ok }) => ({ text, ok })),
    stack: started.stack,
  };
}

const idPattern = /^[\w-]{1,64}$/;

export class RunStore {
  readonly #dir: string | null;
  readonly #summaries: RunSummary[] = [];
  readonly #memory = new Map<string, RunEvent[]>();

  /** @param dir folder of the runs' files, made where missing; null keeps them in memory */
  constructor(dir: string | null, log: (text: string) => void) {
    this.#dir = dir;
    if (dir === null) return;
    mkdirSync(dir, { recursive: true });
    for (const file of readdirSync(dir)) {
      if (!file.endsWith(".json")) continue;
      try {
        this.#summaries.push((JSON.parse(readFileSync(join(dir, file), "utf8")) as Kept).summary);
      } catch (error) {
        log(`${file} in ${dir} is not a run: ${(error as Error).message}`);
      }
    }
    this.#summaries.sort((a, b) => b.startedAt - a.startedAt);
  }

  list(): readonly RunSummary[] {
    return this.#summaries;
  }

  events(id: string): RunEvent[] | null {
    if (!this.#summaries.some((run) => run.id === id)) return null;
    if (this.#dir === null) return this.#memory.get(id) ?? null;
    return (JSON.parse(readFileSync(join(this.#dir, `${id}.json`), "utf8")) as Kept).events;
  }

  view(id: string): RunView | null {
    const events = this.events(id);
    return events === null ? null : events.reduce(fold, emptyView());
  }

  /** Keeps a run that has ended; the oldest make room. Throws when it cannot be written. */
  keep(view: RunView, events: readonly RunEvent[]): void {
    const summary = summarize(view);
    if (summary === null || !idPattern.test(summary.id)) return;
    if (this.#dir === null) this.#memory.set(summary.id, [...events]);
    else {
      // Whole or not at all: a reader, or a restart, must never find half a run.
      const file = join(this.#dir, `${summary.id}.json`);
      writeFileSync(
        `${file}.tmp`,
        JSON.stringify({ summary, events } satisfies {
          summary: RunSummary;
          events: readonly RunEvent[];
        }),
      );
      renameSync(`${file}.tmp`, file);
    }
    this.#summaries.unshift(summary);
    for (const old of this.#summaries.slice(maxRuns)) this.remove(old.id);
  }

  remove(id: string): boolean {
    const index = this.#summaries.findIndex((run) => run.id === id);
    if (index < 0) return false;
    this.#summaries.splice(index, 1);
    this.#memory.delete(id);
    if (this.#dir !== null) rmSync(join(this.#dir, `${id}.json`), { force: true });
    return true;
  }
}
