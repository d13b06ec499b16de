// What requests at a constant rate saw of what happened to a stack, in one table at the end.
import { setTimeout as sleep } from "node:timers/promises";
import type { Seen } from "./open-loop.ts";
import type { SwarmStack } from "./swarm-stack.ts";

export const lost = ({ failed }: Seen): number =>
  Object.values(failed).reduce((sum, n) => sum + n, 0);

export class Report {
  readonly #stack: SwarmStack;
  readonly #rows: Record<string, string | number>[] = [];
  #rate: number | undefined;

  constructor(stack: SwarmStack) {
    this.#stack = stack;
  }

  add(row: Record<string, string | number>): void {
    this.#rows.push(row);
  }

  print(): void {
    console.table(this.#rows);
  }

  /**
   * Requests a second that this machine, with what else runs on it, serves at rest without a queue:
   * above that, a constant load says nothing of faults. 1,000, or the most of some that are less.
   */
  async carriedRate(): Promise<number> {
    for (const tried of this.#rate === undefined ? [1000, 800, 600, 400, 200] : []) {
      const seen = await this.#stack.atRest(tried, 4);
      console.log(`at rest, ${tried} requests/s: ${JSON.stringify(seen)}`);
      this.#rate = tried;
      if (lost(seen) === 0 && seen.p99 < 250) break;
    }
    return this.#rate ?? 0;
  }

  /** Runs something while requests come in at a constant rate, and tells what they saw of it. */
  async under(what: string, happens: () => Promise<void>): Promise<Seen> {
    const perSecond = await this.carriedRate();
    const load = this.#stack.load(perSecond);
    let seen: Seen;
    try {
      await sleep(2000);
      await happens();
      await sleep(2000);
    } finally {
      seen = await load.stop();
      const { sent, p50, p99, slowest, overSecond, pause } = seen;
      const failed = lost(seen);
      this.add({ what, "rate/s": perSecond, sent, failed, p50, p99, slowest, overSecond, pause });
      console.log(JSON.stringify({ what, rate: perSecond, ...seen }));
    }
    return seen;
  }
}
