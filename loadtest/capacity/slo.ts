// What a service has to keep to: "p95<500ms,failures=0".
import { UserError } from "../../infra/errors.ts";

type Unit = "ms" | "share" | "count" | "perSecond";

/** One objective. Latencies in ms, shares 0..1, rates per second. */
export interface Objective {
  /** As it was written. */
  readonly text: string;
  readonly metric: string;
  readonly comparison: "<" | "<=" | ">" | ">=" | "=";
  readonly limit: number;
  readonly unit: Unit;
}

/** What was measured in one trial: counts over all of it, latencies over its steady part. */
export interface Measured {
  /** ms by quantile in 0..1; `mean` and `max` beside them. */
  readonly quantile: (q: number) => number;
  readonly mean: number;
  readonly max: number;
  readonly requests: number;
  readonly failures: number;
  /** Replies a second. */
  readonly rps: number;
}

export interface Judged {
  readonly objective: Objective;
  readonly value: number;
  readonly met: boolean;
  /**
   * How far from the limit: the natural logarithm of value ÷ limit (of limit ÷ value for ">"), below
   * 0 where it is met, held to -1..1. Where the limit is 0 it is -1 or 1.
   */
  readonly margin: number;
}

const allowed =
  "Allowed: p50, p95, p99, p99.9 or any other percentile, mean or max, below a time (p95<500ms); " +
  "failures=0, failures<10 or failures<0.1%; rps>9000; several with commas between them.";

const pattern =
  /^(p\d{1,2}(?:\.\d+)?|mean|max|failures|rps)\s*(<=|>=|<|>|=)\s*(\d+(?:\.\d+)?)(\S*)$/;

function objective(text: string): Objective {
  const [, metric = "", sign = "", number = "", suffix = ""] = pattern.exec(text) ?? [];
  const refuse = (): never => {
    throw new UserError(`the objective "${text}" is not understood. ${allowed}`);
  };
  const value = Number(number);
  const comparison = sign as Objective["comparison"];
  if (metric === "") return refuse();
  if (metric === "failures") {
    if (sign.startsWith(">") || (sign === "=" && value !== 0)) return refuse();
    if (suffix === "%") {
      return { text, metric, comparison, limit: value / 100, unit: "share" };
    }
    return suffix === "" ? { text, metric, comparison, limit: value, unit: "count" } : refuse();
  }
  if (metric === "rps") {
    if (!sign.startsWith(">") || suffix !== "") return refuse();
    return { text, metric, comparison, limit: value, unit: "perSecond" };
  }
  const factor = suffix === "ms" ? 1 : suffix === "s" ? 1000 : undefined;
  if (factor === undefined || !sign.startsWith("<") || value === 0) return refuse();
  return { text, metric, comparison, limit: value * factor, unit: "ms" };
}

/** @throws UserError naming what is not understood and what is. */
export function parseSlo(text: string): Objective[] {
  const parts = text.split(",").map((part) => part.trim());
  return parts.map(objective);
}

/** The quantile that a percentile's name stands for: "p99.9" is 0.999. */
export const quantileOf = (metric: string): number | undefined =>
  /^p\d/.test(metric) ? Number(metric.slice(1)) / 100 : undefined;

function valueOf({ metric, unit }: Objective, measured: Measured): number {
  const quantile = quantileOf(metric);
  if (quantile !== undefined) return measured.quantile(quantile);
  if (metric === "mean") return measured.mean;
  if (metric === "max") return measured.max;
  if (metric === "rps") return measured.rps;
  if (unit === "count") return measured.failures;
  return measured.requests === 0 ? 0 : measured.failures / measured.requests;
}

const compare: Record<Objective["comparison"], (value: number, limit: number) => boolean> = {
  "<": (value, limit) => value < limit,
  "<=": (value, limit) => value <= limit,
  ">": (value, limit) => value > limit,
  ">=": (value, limit) => value >= limit,
  "=": (value, limit) => value === limit,
};

const bounded = (x: number): number => Math.max(-1, Math.min(1, x));

export function judge(slo: readonly Objective[], measured: Measured): Judged[] {
  return slo.map((objective) => {
    const { comparison, limit } = objective;
    const value = valueOf(objective, measured);
    const met = compare[comparison](value, limit);
    const ratio = comparison.startsWith(">") ? limit / value : value / limit;
    const log = limit === 0 || Number.isNaN(ratio) ? Infinity : Math.abs(Math.log(ratio));
    return { objective, value, met, margin: bounded(met ? -log : log) };
  });
}

/** The objective that is worst kept. */
export const worst = (judged: readonly Judged[]): Judged | undefined =>
  judged.reduce<Judged | undefined>(
    (most, next) => (most === undefined || next.margin > most.margin ? next : most),
    undefined,
  );

/** "p95 was 731 ms, 46% above 500ms" */
export function judgedText({ objective, value, met }: Judged): string {
  const { metric, unit, limit } = objective;
  const shown =
    unit === "ms"
      ? `${value.toFixed(value < 10 ? 1 : 0)} ms`
      : unit === "share"
        ? `${(value * 100).toFixed(3)}%`
        : unit === "perSecond"
          ? `${value.toFixed(0)}/s`
          : String(value);
  if (met) return `${metric} was ${shown} (${objective.text})`;
  const far =
    limit === 0 || value === 0
      ? ""
      : `, ${Math.round(Math.abs(value / limit - 1) * 100)}% ${value > limit ? "above" : "below"} the limit`;
  return `${metric} was ${shown}${far} (${objective.text})`;
}
