// What is drawn: pure functions from a run, or several, to lines over time.
import { Histogram, type HistogramData } from "../engine/histogram.ts";
import type { Ended, ReplicaSample, RunView, Tick } from "../events.ts";
import { clock, elapsed, inUnit, type Unit } from "./format.ts";

export interface Line {
  label: string;
  /** Number of a hue in the palette, 1..8, or a meaning. */
  colour: number | "good" | "bad" | "limit";
  /** One for each of the chart's times; null where nothing is known. */
  values: (number | null)[];
}

export interface Chart {
  id: string;
  title: string;
  unit: Unit;
  /**
   * Where the values stand: Unix seconds; seconds since the start where runs are compared; or
   * nines, -log10(1 - quantile): 1 is 90 %, 2 is 99 %, 3 is 99.9 %.
   */
  at: number[];
  axis: "unix" | "elapsed" | "nines";
  lines: Line[];
}

type Read = (tick: Tick) => number | null;

const line = (ticks: readonly Tick[], label: string, colour: Line["colour"], pick: Read): Line => ({
  label,
  colour,
  values: ticks.map(pick),
});

/** A latency of a second in which nothing was answered is unknown, not 0. */
const answered =
  (pick: (tick: Tick) => number): Read =>
  (tick) =>
    tick.total.rps > 0 ? pick(tick) : null;

/** Replicas beyond this many are drawn as their least, mean and most. */
const mostLines = 6;

/** One line for each replica, or three for many; and the limit where there is one. */
export function replicaLines(
  ticks: readonly Tick[],
  pick: (replica: ReplicaSample) => number | null,
  limit?: (replica: ReplicaSample) => number | null,
): Line[] {
  const addresses = [
    ...new Set(ticks.flatMap((tick) => tick.replicas.map((replica) => replica.address))),
  ];
  const known = (tick: Tick): number[] => tick.replicas.map(pick).filter((value) => value !== null);
  const lines =
    addresses.length <= mostLines
      ? addresses.map((address, i) =>
          line(ticks, addresses.length === 1 ? "replica" : address, i + 1, (tick) => {
            const replica = tick.replicas.find((sample) => sample.address === address);
            return replica === undefined ? null : pick(replica);
          }),
        )
      : [
          line(ticks, "least", 1, (tick) => least(known(tick))),
          line(ticks, "mean", 2, (tick) => mean(known(tick))),
          line(ticks, "most", 3, (tick) => most(known(tick))),
        ];
  const limits = ticks.map((tick) => {
    const given = tick.replicas.map((replica) => limit?.(replica) ?? null);
    return most(given.filter((value) => value !== null));
  });
  if (limits.some((value) => value !== null))
    lines.push({ label: "limit", colour: "limit", values: limits });
  return lines.filter(({ values }) => values.some((value) => value !== null));
}

const most = (values: number[]): number | null =>
  values.length === 0 ? null : Math.max(...values);
const least = (values: number[]): number | null =>
  values.length === 0 ? null : Math.min(...values);
const mean = (values: number[]): number | null =>
  values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;

/** Every chart of one run; those of which nothing is known are left out. */
export function chartsOf({ ticks, ended }: Pick<RunView, "ticks" | "ended">): Chart[] {
  const at = ticks.map((tick) => tick.at);
  const chart = (id: string, title: string, unit: Unit, lines: Line[]): Chart => ({
    id,
    title,
    unit,
    at,
    axis: "unix",
    lines,
  });
  return [
    chart("rps", "Requests per second", "perSecond", [
      line(ticks, "requests/s", "good", (tick) => tick.total.rps),
      line(ticks, "failures/s", "bad", (tick) => tick.total.failuresPerSecond),
    ]),
    chart("latency", "Response time", "ms", [
      line(
        ticks,
        "p50",
        1,
        answered((tick) => tick.total.p50),
      ),
      line(
        ticks,
        "p95",
        2,
        answered((tick) => tick.total.p95),
      ),
      line(
        ticks,
        "p99",
        3,
        answered((tick) => tick.total.p99),
      ),
    ]),
    ...(ended === undefined ? [] : byPercentile("percentiles", wholeRuns(ended))),
    chart("users", "Users", "count", [line(ticks, "users", 1, (tick) => tick.users)]),
    chart(
      "cpu",
      "Stack: CPU of each replica",
      "cores",
      replicaLines(
        ticks,
        (replica) => replica.cpu,
        (replica) => replica.cpuLimit,
      ),
    ),
    chart(
      "throttled",
      "Stack: CPU throttling",
      "share",
      replicaLines(ticks, (replica) => replica.throttled),
    ),
    chart(
      "memory",
      "Stack: memory of each replica",
      "bytes",
      replicaLines(
        ticks,
        (replica) => replica.memory,
        (replica) => replica.memoryLimit,
      ),
    ),
    chart(
      "generator",
      "Load generator: CPU of its busiest worker",
      "share",
      [line(ticks, "busiest worker", 4, (tick) => most(tick.workers.map(({ cpu }) => cpu)))].filter(
        ({ values }) => values.some((value) => value !== null),
      ),
    ),
  ].filter(({ lines }) => lines.length > 0);
}

interface Named {
  label: string;
  latency: HistogramData;
}

/** The histogram of all tasks, and those of each where there are several. */
function wholeRuns({ histograms }: Ended): Named[] {
  const all = histograms.filter(({ data }) => data.counts.length > 0);
  const tasks = all.filter(({ method }) => method !== "");
  const shown = tasks.length > 1 && tasks.length <= mostLines ? all : all.slice(-1);
  return shown.map(({ method, name, data }) => ({
    label: method === "" ? "all" : `${method} ${name}`,
    latency: data,
  }));
}

/** How slow the slowest are: latency over the share of replies that were no slower. */
function byPercentile(id: string, named: readonly Named[]): Chart[] {
  const read = named.map(({ label, latency }) => ({
    label,
    histogram: Histogram.fromData(latency),
  }));
  // Beyond one in all of them there is nothing to tell.
  const last = Math.log10(Math.max(1, ...read.map(({ histogram }) => histogram.count)));
  if (last === 0) return [];
  const at = Array.from({ length: Math.floor(last * 25) + 1 }, (_, i) => i / 25);
  return [
    {
      id,
      title: "Response time by percentile",
      unit: "ms",
      at,
      axis: "nines",
      lines: read.map(({ label, histogram }, i) => {
        const values = histogram.quantiles(at.map(quantileOf));
        return {
          label,
          colour: (i % 8) + 1,
          values: at.map((nines, n) =>
            10 ** nines <= histogram.count * 1.001 ? values[n]! / 1000 : null,
          ),
        };
      }),
    },
  ];
}

/** 0 → 0, 1 → 0.9, 2 → 0.99. */
const quantileOf = (nines: number): number => 1 - 10 ** -nines;

/** Where on its axis a value stands, as people read it: "14:03:22", "1:30", "99.9%". */
export function place({ axis }: Pick<Chart, "axis">, at: number): string {
  if (axis === "nines") {
    return `${Number((quantileOf(at) * 100).toFixed(Math.ceil(at)))}%`;
  }
  return axis === "unix" ? clock(at) : elapsed(at);
}

/** Runs laid over each other, each second counted from its own start. */
export function overlaid(runs: readonly { label: string; view: RunView }[]): Chart[] {
  const second = (view: RunView, tick: Tick): number =>
    Math.max(0, Math.round(tick.at - (view.started?.at ?? tick.at)));
  const last = Math.max(
    0,
    ...runs.map(({ view }) => (view.last === undefined ? 0 : second(view, view.last))),
  );
  const at = Array.from({ length: last + 1 }, (_, i) => i);
  const whole = runs.flatMap(({ label, view }) => {
    const latency = view.ended?.histograms.at(-1)?.data;
    return latency === undefined ? [] : [{ label, latency }];
  });
  const chart = (id: string, title: string, unit: Unit, pick: Read): Chart => ({
    id: `compare-${id}`,
    title,
    unit,
    at,
    axis: "elapsed",
    lines: runs.map(({ label, view }, i) => {
      const values = Array<number | null>(last + 1).fill(null);
      for (const tick of view.ticks) values[second(view, tick)] = pick(tick);
      return { label, colour: (i % 8) + 1, values };
    }),
  });
  return [
    chart("rps", "Requests per second", "perSecond", (tick) => tick.total.rps),
    chart(
      "p95",
      "Response time, p95",
      "ms",
      answered((tick) => tick.total.p95),
    ),
    chart(
      "p99",
      "Response time, p99",
      "ms",
      answered((tick) => tick.total.p99),
    ),
    ...(whole.length === runs.length ? byPercentile("compare-percentiles", whole) : []),
    chart("users", "Users", "count", (tick) => tick.users),
    chart("cpu", "Stack: CPU of all replicas", "cores", (tick) => {
      const known = tick.replicas.map(({ cpu }) => cpu).filter((cpu) => cpu !== null);
      return known.length === 0 ? null : known.reduce((sum, cpu) => sum + cpu, 0);
    }),
    chart("memory", "Stack: memory of its largest replica", "bytes", (tick) =>
      most(tick.replicas.map(({ memory }) => memory).filter((memory) => memory !== null)),
    ),
  ].filter(({ lines }) => lines.some(({ values }) => values.some((value) => value !== null)));
}

/** A chart in words, for those who do not see it. */
export function inWords({ title, at, axis, lines, unit }: Chart): string {
  if (at.length === 0) return `${title}. Nothing yet.`;
  const told = lines.map(({ label, values }) => {
    const known = values.filter((value) => value !== null);
    if (known.length === 0) return `${label}: unknown.`;
    const [last, low, high] = [known.at(-1)!, Math.min(...known), Math.max(...known)].map((value) =>
      inUnit(unit, value),
    );
    return `${label}: last ${last!}, lowest ${low!}, highest ${high!}.`;
  });
  return `${title}, ${place({ axis }, at[0]!)} to ${place({ axis }, at.at(-1)!)}. ${told.join(" ")}`;
}
