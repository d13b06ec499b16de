// The stack's own figures: every replica's CPU, throttling and memory, read inside its network.
import { resolve4 } from "node:dns/promises";
import { isIPv4 } from "node:net";
import type { ReplicaSample, StackFacts } from "../events.ts";
import type { Settings } from "../settings.ts";

/** Values of one exposition by metric name; of several samples the sum, as for processes of one replica. */
export function parseExposition(text: string): Map<string, number> {
  const values = new Map<string, number>();
  for (const line of text.split("\n")) {
    const match = /^([a-zA-Z_:][\w:]*)(?:\{.*\})?\s+([-+\w.]+)/.exec(line);
    if (match === null || line.startsWith("#")) continue;
    const value = Number(match[2]);
    if (Number.isFinite(value)) values.set(match[1]!, (values.get(match[1]!) ?? 0) + value);
  }
  return values;
}

/** One label of one metric's first sample. */
export const labelOf = (text: string, metric: string, label: string): string | null =>
  new RegExp(`^${metric}\\{[^\\n]*?\\b${label}="((?:[^"\\\\]|\\\\.)*)"`, "m").exec(text)?.[1] ??
  null;

interface Seen {
  at: number;
  cpuSeconds: number;
  periods: number;
  throttled: number;
}

/** What changed between two looks at a replica. Pure; times in ms. */
export function sampleOf(
  address: string,
  values: Map<string, number>,
  before: Seen | undefined,
  at: number,
): { sample: ReplicaSample; seen: Seen } {
  const first = (...names: string[]): number | null => {
    for (const name of names) {
      const value = values.get(name);
      if (value !== undefined) return value;
    }
    return null;
  };
  const cpuSeconds = first("inference_cpu_seconds", "process_cpu_seconds_total");
  const periods = first("inference_cpu_periods");
  const throttled = first("inference_cpu_throttled_periods");
  const seen = {
    at,
    cpuSeconds: cpuSeconds ?? 0,
    periods: periods ?? 0,
    throttled: throttled ?? 0,
  };
  const seconds = before === undefined ? 0 : (at - before.at) / 1000;
  const passed = before === undefined ? 0 : seen.periods - before.periods;
  return {
    seen,
    sample: {
      address,
      cpu:
        before === undefined || cpuSeconds === null || seconds <= 0
          ? null
          : Math.max(0, (seen.cpuSeconds - before.cpuSeconds) / seconds),
      cpuLimit: first("inference_limit_cpus"),
      throttled:
        before === undefined || periods === null
          ? null
          : passed <= 0
            ? 0
            : Math.min(1, Math.max(0, (seen.throttled - before.throttled) / passed)),
      memory: first("inference_memory_bytes", "process_resident_memory_bytes"),
      memoryLimit: first("inference_limit_memory_bytes"),
      memoryHits: first("inference_memory_limit_hits"),
      memoryKills: first("inference_memory_kills"),
    },
  };
}

const maxReplyBytes = 4 * 1024 * 1024;

async function fetchText(url: string): Promise<string> {
  const reply = await fetch(url, { signal: AbortSignal.timeout(2000) });
  const text = await reply.text();
  if (!reply.ok || text.length > maxReplyBytes) throw new Error(`${url}: ${reply.status}`);
  return text;
}

export class Scraper {
  readonly #dns: string;
  readonly #port: number;
  readonly #seen = new Map<string, Seen>();
  #timer: NodeJS.Timeout | undefined;
  #busy = false;
  /** As of the last look. */
  samples: ReplicaSample[] = [];

  /** @param where as the settings have it: `port` is where metrics are too, unless `metricsPort` is told */
  constructor({ dns, port, metricsPort = port }: NonNullable<Settings["scrape"]>) {
    this.#dns = dns;
    this.#port = metricsPort;
  }

  start(): void {
    void this.look();
    this.#timer ??= setInterval(() => void this.look(), 1000);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#seen.clear();
    this.samples = [];
  }

  async addresses(): Promise<string[]> {
    // One replica without a name, such as one run alone on the host.
    if (isIPv4(this.#dns)) return [this.#dns];
    return (await resolve4(this.#dns).catch(() => [])).sort();
  }

  async look(): Promise<void> {
    // A replica that answers slowly must not pile up looks at it.
    if (this.#busy) return;
    this.#busy = true;
    try {
      const addresses = await this.addresses();
      const samples = await Promise.all(addresses.map((address) => this.#one(address)));
      this.samples = samples.filter((sample) => sample !== null);
    } finally {
      this.#busy = false;
    }
  }

  async #one(address: string): Promise<ReplicaSample | null> {
    try {
      const values = parseExposition(await fetchText(`http://${address}:${this.#port}/metrics`));
      const { sample, seen } = sampleOf(
        address,
        values,
        this.#seen.get(address),
        performance.now(),
      );
      this.#seen.set(address, seen);
      return sample;
    } catch {
      // It is being replaced, or says nothing: the others are shown.
      return null;
    }
  }

  /** What the stack is now. */
  async facts(stack: { name: string; platform: string }, target: string): Promise<StackFacts> {
    const addresses = await this.addresses();
    const first = addresses[0];
    const exposition =
      first === undefined
        ? ""
        : await fetchText(`http://${first}:${this.#port}/metrics`).catch(() => "");
    const values = parseExposition(exposition);
    const model = await fetch(new URL("/model", target), { signal: AbortSignal.timeout(2000) })
      .then((reply) =>
        reply.ok ? (reply.json() as Promise<{ name?: unknown; version?: unknown }>) : null,
      )
      .catch(() => null);
    const text = (value: unknown): string =>
      typeof value === "string" || typeof value === "number" ? String(value) : "";
    return {
      ...stack,
      cpus: values.get("inference_limit_cpus") ?? null,
      memory: values.get("inference_limit_memory_bytes") ?? null,
      replicas: addresses.length === 0 ? null : addresses.length,
      image: labelOf(exposition, "inference_info", "image"),
      model: model === null ? null : `${text(model.name)} ${text(model.version)}`.trim() || null,
    };
  }
}
