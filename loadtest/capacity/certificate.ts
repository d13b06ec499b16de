// What a search has proven, and what it has not.
import { cost, type Prices } from "./price.ts";
import type { TrialRecord } from "./record.ts";
import { mostTrials, neighbours, picture, winner, type SearchOptions } from "./search.ts";
import { limitsKey, type Axis, type Limits } from "./space.ts";
import { spread, standing, type Standing } from "./standing.ts";

export interface Certificate {
  /** Proven: passed so often in a row, and one step less of each resource failed. */
  readonly complete: boolean;
  readonly winner: Limits;
  /** An hour, without the gateway. */
  readonly cost: number;
  readonly passesInARow: number;
  readonly failures: number;
  readonly less: readonly {
    readonly axis: Axis;
    readonly limits: Limits | null;
    /** "smallest" where there is nothing less in the search. */
    readonly standing: Standing | "smallest";
    readonly said: string;
  }[];
  /** Cheaper ones that were not tried and not ruled out, or not proven: the answer may be among them. */
  readonly unknown: readonly Limits[];
  /** Cheaper ones that only one failure rules out. */
  readonly singleWitness: number;
  /** Where more of something made it fail. */
  readonly odd: readonly Limits[];
}

const said: Record<Standing, string> = {
  untried: "not tried: no time was left",
  open: "failed once, by so little that it may have been chance",
  passes: "passed, but not often enough to be sure",
  holds: "holds too",
  close: "too close to the limit to be promised",
  fails: "failed",
  unknown: "unknown: something else was the limit",
};

/** What is known of one configuration. */
export function standingOf(
  trials: readonly TrialRecord[],
  limits: Limits,
  repeats: number,
): Standing {
  const groups = Map.groupBy(trials, (trial) => limitsKey(trial.limits));
  return standing(groups.get(limitsKey(limits)) ?? [], repeats, spread(groups.values()));
}

/** undefined where nothing was proven to hold. */
export function certify(
  options: SearchOptions,
  trials: readonly TrialRecord[],
): Certificate | undefined {
  const seen = picture(options, trials);
  const best = winner(seen);
  if (best === undefined) return undefined;
  const own = trials.filter(
    (trial) => limitsKey(trial.limits) === limitsKey(best.limits) && trial.verdict !== "void",
  );
  const below = neighbours(options.axes, best.limits);
  const less = (["cpus", "memory", "replicas"] as const).map((axis) => {
    const limits = below.find((one) => one.axis === axis)?.limits;
    if (limits === undefined) {
      return {
        axis,
        limits: null,
        standing: "smallest" as const,
        said: "the least of this search",
      };
    }
    const is = standingOf(trials, limits, options.repeats);
    return { axis, limits, standing: is, said: said[is] };
  });
  const cheaper = seen.cells.filter((cell) => cell.cost < best.cost);
  const proven = less.every(
    ({ standing: s }) => s === "fails" || s === "close" || s === "smallest",
  );
  return {
    complete: proven,
    winner: best.limits,
    cost: best.cost,
    passesInARow: own.length - 1 - own.findLastIndex(({ verdict }) => verdict !== "pass"),
    failures: own.filter(({ verdict }) => verdict !== "pass").length,
    less,
    unknown: cheaper
      .filter(
        (cell) =>
          cell.standing === "passes" ||
          cell.standing === "unknown" ||
          seen.candidates.some((other) => other === cell),
      )
      .map(({ limits }) => limits),
    singleWitness: cheaper.filter((cell) => seen.witnesses(cell) === 1).length,
    odd: seen.odd.map(({ limits }) => limits),
  };
}

/** Trials there is still time for, by count and by the budget. Seconds; null is no limit. */
export function trialsLeft(
  options: SearchOptions,
  trials: readonly TrialRecord[],
  budget: number | null,
): number {
  const byCount = mostTrials(options) - trials.length;
  if (budget === null || trials.length === 0) return byCount;
  const spent = trials.reduce((sum, { took }) => sum + took.total, 0);
  // A trial that passes takes the longest: those are what the end of a search is made of.
  const longest = Math.max(...trials.map(({ took }) => took.total));
  return Math.min(byCount, Math.floor((budget - spent) / longest));
}

export const hourly = (limits: Limits, prices: Prices): string =>
  `${cost(limits, prices).toFixed(4)} an hour`;
