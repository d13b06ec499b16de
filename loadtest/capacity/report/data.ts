// What a report is made of, whoever renders it.
import type { Certificate } from "../certificate.ts";
import type { LoadPlan } from "../plan.ts";
import type { Prices } from "../price.ts";
import type { TrialRecord } from "../record.ts";
import { limitsKey, type Limits } from "../space.ts";

/** A trial of a declared table, beside what was published of it. */
export interface Declared {
  readonly limits: Limits;
  readonly who: string;
  readonly published: string;
}

export interface ReportData {
  readonly title: string;
  readonly stack: string;
  readonly plan: LoadPlan;
  readonly slo: string;
  readonly prices: Prices;
  readonly trials: readonly TrialRecord[];
  /** null where nothing was proven to hold, and in experiments. */
  readonly certificate: Certificate | null;
  /** Why the search ended, in words. */
  readonly ending: string;
  readonly notRunnable: readonly { readonly limits: Limits; readonly why: string }[];
  readonly declared: readonly Declared[];
  /** What the trials ran on, in words. */
  readonly machine: string;
}

export type Mark = "pass" | "fail" | "mixed" | "void" | "inferred" | "unknown" | "impossible";

export interface MapCell {
  readonly limits: Limits;
  readonly mark: Mark;
  readonly text: string;
}

/** One map for each number of replicas: rows of memory, columns of CPUs, both ascending. */
export function passMaps(data: ReportData): { replicas: number; rows: MapCell[][] }[] {
  const all = [
    ...data.trials.map(({ limits }) => limits),
    ...data.notRunnable.map(({ limits }) => limits),
  ];
  const values = (of: (limits: Limits) => number): number[] =>
    [...new Set(all.map(of))].sort((a, b) => a - b);
  const byKey = Map.groupBy(data.trials, ({ limits }) => limitsKey(limits));
  const impossible = new Set(data.notRunnable.map(({ limits }) => limitsKey(limits)));
  const failed = data.trials.filter(({ verdict }) => verdict === "fail");
  const cell = (limits: Limits): MapCell => {
    const trials = byKey.get(limitsKey(limits)) ?? [];
    const counted = trials.filter(({ verdict }) => verdict !== "void");
    const passes = counted.filter(({ verdict }) => verdict === "pass").length;
    if (trials.length > 0 && counted.length === 0) return { limits, mark: "void", text: "void" };
    if (counted.length > 0) {
      const mark = passes === counted.length ? "pass" : passes === 0 ? "fail" : "mixed";
      return { limits, mark, text: `${passes}/${counted.length}` };
    }
    if (impossible.has(limitsKey(limits))) return { limits, mark: "impossible", text: "too large" };
    const less = failed.some(
      (other) =>
        limits.cpus <= other.limits.cpus &&
        limits.memory <= other.limits.memory &&
        limits.replicas <= other.limits.replicas,
    );
    return less ? { limits, mark: "inferred", text: "–" } : { limits, mark: "unknown", text: "" };
  };
  return values(({ replicas }) => replicas).map((replicas) => ({
    replicas,
    rows: values(({ memory }) => memory).map((memory) =>
      values(({ cpus }) => cpus).map((cpus) => cell({ cpus, memory, replicas })),
    ),
  }));
}

/** The trials whose course tells where the border is: the last of the winner and of what failed next to it. */
export function borderTrials(data: ReportData): TrialRecord[] {
  const keys = data.certificate
    ? [
        limitsKey(data.certificate.winner),
        ...data.certificate.less.flatMap(({ limits }) => (limits ? [limitsKey(limits)] : [])),
      ]
    : [...new Set(data.trials.map(({ limits }) => limitsKey(limits)))];
  return keys.flatMap((key) => {
    const last = data.trials.findLast(
      ({ limits, series }) => limitsKey(limits) === key && series.length > 0,
    );
    return last ? [last] : [];
  });
}

/** What the gateway and the generator used in the winner's last trial, in words. */
export function besides({ seen }: TrialRecord): string {
  const use = (name: string, part: typeof seen.gateway): string =>
    part === null ? "" : `${name} ${part.cpu.toFixed(2)} CPU, ${Math.round(part.memory)} MB`;
  return [use("gateway", seen.gateway), use("generator", seen.generator)]
    .filter((text) => text !== "")
    .join("; ");
}
