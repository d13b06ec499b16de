// Thresholds as k6 has them: what must hold of the whole run for it to have passed.
import type { StatRow, ThresholdResult } from "./events.ts";
import { UserError } from "./units.ts";

type Metric =
  | { kind: "quantile"; quantile: number }
  | { kind: "mean" | "min" | "max" | "failures" | "failureRatio" | "rps" | "requests" };

export interface Threshold {
  text: string;
  metric: Metric;
  operator: "<" | "<=" | ">" | ">=" | "==";
  /** ms for times, a share for ratios, a count or a rate otherwise. */
  limit: number;
  /** Stop the run as soon as it is crossed. */
  abort: boolean;
}

const allowed =
  "pN<500ms (p95, p99.9, med, avg, min, max), failures=0, failures<10, failures<1% or rps>1000, with !abort after it to stop at once";

/** One threshold, such as "p95<500ms" or "failures<1% !abort". Throws UserError. */
export function parseThreshold(text: string): Threshold {
  const match =
    /^\s*([a-z]+(?:[\d.]+|\([\d.]+\))?)\s*(<=|>=|==|=|<|>)\s*(\d+(?:\.\d+)?)\s*(ms|s|%)?\s*(!abort)?\s*$/i.exec(
      text,
    );
  const [, name = "", operator = "", number = "", unit, abort] = match ?? [];
  const metric = match === null ? undefined : metricOf(name.toLowerCase(), unit);
  if (metric === undefined) {
    throw new UserError(`The threshold "${text}" is not understood; give ${allowed}.`);
  }
  const scale = unit === "s" ? 1000 : unit === "%" ? 0.01 : 1;
  return {
    text: text.replace("!abort", "").trim(),
    metric,
    operator: operator === "=" ? "==" : (operator as Threshold["operator"]),
    limit: Number(number) * scale,
    abort: abort !== undefined,
  };
}

function metricOf(name: string, unit: string | undefined): Metric | undefined {
  const time = unit === undefined || unit === "ms" || unit === "s";
  const plain = unit === undefined;
  const percentile = /^p(?:\((\d+(?:\.\d+)?)\)|(\d+(?:\.\d+)?))$/.exec(name);
  if (percentile !== null) {
    const quantile = Number(percentile[2] ?? percentile[1]) / 100;
    return time && quantile > 0 && quantile <= 1 ? { kind: "quantile", quantile } : undefined;
  }
  switch (name) {
    case "med":
    case "median":
      return time ? { kind: "quantile", quantile: 0.5 } : undefined;
    case "avg":
    case "mean":
      return time ? { kind: "mean" } : undefined;
    case "min":
    case "max":
      return time ? { kind: name } : undefined;
    case "failures":
    case "failed":
      return plain ? { kind: "failures" } : unit === "%" ? { kind: "failureRatio" } : undefined;
    case "rps":
    case "requests":
      return plain ? { kind: name } : undefined;
    default:
      return undefined;
  }
}

/**
 * Whether a threshold holds.
 * @param total the row of all tasks
 * @param quantile a quantile of all latencies, in ms
 * @param seconds how long the run has been measured
 */
export function judge(
  { text, metric, operator, limit }: Threshold,
  total: StatRow,
  quantile: (q: number) => number,
  seconds: number,
): ThresholdResult {
  const value = ((): number => {
    switch (metric.kind) {
      case "quantile":
        return quantile(metric.quantile);
      case "mean":
      case "min":
      case "max":
      case "failures":
      case "requests":
        return total[metric.kind];
      case "failureRatio":
        return total.requests === 0 ? 0 : total.failures / total.requests;
      case "rps":
        return total.requests / Math.max(seconds, 0.001);
    }
  })();
  const ok = {
    "<": value < limit,
    "<=": value <= limit,
    ">": value > limit,
    ">=": value >= limit,
    "==": value === limit,
  }[operator];
  // Without a request nothing was shown: only bounds on counts can hold then.
  const counted = metric.kind === "failures" || metric.kind === "requests" || metric.kind === "rps";
  return { text, value, ok: ok && (counted || total.requests > 0) };
}
