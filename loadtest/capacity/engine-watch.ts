// Counters of containers as their engine has them: nothing runs in a container to get them, so a
// replica at its limits is not disturbed, and none has to be alive to be counted.
import { request, type IncomingMessage } from "node:http";
import { createInterface } from "node:readline";
import { dockerHost } from "../../infra/engine.ts";
import { UserError } from "../../infra/errors.ts";
import { useOf, type Counters, type PartLimits, type Use } from "./observation.ts";

interface RawStats {
  read: string;
  cpu_stats?: {
    cpu_usage?: { total_usage?: number };
    throttling_data?: { periods?: number; throttled_periods?: number };
  };
  memory_stats?: { usage?: number; failcnt?: number; stats?: Record<string, number> };
}

/** The engine's counters in our words; undefined for a container that does not run. */
export function countersOf(raw: RawStats): Counters | undefined {
  const usage = raw.memory_stats?.usage;
  const cpu = raw.cpu_stats?.cpu_usage?.total_usage;
  if (usage === undefined || cpu === undefined) return undefined;
  const pages = raw.memory_stats?.stats ?? {};
  return {
    at: Date.parse(raw.read) / 1000,
    cpuSeconds: cpu / 1e9,
    periods: raw.cpu_stats?.throttling_data?.periods ?? 0,
    throttled: raw.cpu_stats?.throttling_data?.throttled_periods ?? 0,
    // cgroup v1 and v2 name it differently.
    memory: usage - (pages["total_inactive_file"] ?? pages["inactive_file"] ?? 0),
    memoryHits: raw.memory_stats?.failcnt ?? 0,
  };
}

function engineAddress(): { socketPath: string } | { host: string; port: string } {
  const url = new URL(dockerHost());
  if (url.protocol === "unix:") return { socketPath: url.pathname };
  if (url.protocol === "tcp:") return { host: url.hostname, port: url.port || "2375" };
  throw new UserError(
    `the engine is at ${dockerHost()}. The capacity search reads counters of engines at unix:// and tcp:// addresses.`,
  );
}

function stream(path: string, line: (json: unknown) => void): { close: () => void } {
  const asked = request({ ...engineAddress(), path }, (reply: IncomingMessage) => {
    createInterface({ input: reply })
      .on("line", (text) => {
        if (text !== "") line(JSON.parse(text));
      })
      // Closed by us, or with its container.
      .on("error", () => undefined);
  });
  // A container that is gone ends its own stream; what was counted until then stays.
  asked.on("error", () => undefined);
  asked.end();
  return { close: () => asked.destroy() };
}

/** Watches some containers until closed. */
export class EngineWatch {
  readonly #streams: { close: () => void }[] = [];
  readonly #samples = new Map<string, Counters[]>();
  /** Times the engine killed something in a container for want of memory, and times one ended. */
  readonly #outOfMemory = new Map<string, number>();
  readonly #ended = new Map<string, number>();

  constructor(ids: readonly string[]) {
    for (const id of ids) {
      const samples: Counters[] = [];
      this.#samples.set(id, samples);
      this.#streams.push(
        stream(`/containers/${id}/stats?stream=1`, (json) => {
          const counters = countersOf(json as RawStats);
          if (counters) samples.push(counters);
        }),
      );
    }
    const filters = { type: ["container"], container: ids, event: ["oom", "die"] };
    this.#streams.push(
      stream(`/events?filters=${encodeURIComponent(JSON.stringify(filters))}`, (json) => {
        const { Action, id } = json as { Action: string; id: string };
        const counts = Action === "oom" ? this.#outOfMemory : this.#ended;
        counts.set(id, (counts.get(id) ?? 0) + 1);
      }),
    );
  }

  count(kind: "outOfMemory" | "ended", ids: readonly string[]): number {
    const counts = kind === "ended" ? this.#ended : this.#outOfMemory;
    return ids.reduce((sum, id) => sum + (counts.get(id) ?? 0), 0);
  }

  /** What containers used from a moment (Unix seconds) on; null where none of them was seen. */
  use(ids: readonly string[], limits: PartLimits, since: number): Use | null {
    let peak = 0;
    const pairs = ids.flatMap((id): [Counters, Counters][] => {
      const samples = (this.#samples.get(id) ?? []).filter((sample) => sample.at >= since);
      for (const { memory } of samples) peak = Math.max(peak, memory);
      // A container that ended began to count anew: only what came after is one piece.
      const from = samples.findLastIndex(
        (sample, i) => i > 0 && sample.cpuSeconds < (samples[i - 1]?.cpuSeconds ?? 0),
      );
      const first = samples[Math.max(0, from)];
      const last = samples.at(-1);
      return first && last && last.at > first.at ? [[first, last]] : [];
    });
    return pairs.length === 0 ? null : useOf(pairs, limits, peak);
  }

  close(): void {
    for (const one of this.#streams) one.close();
  }
}
