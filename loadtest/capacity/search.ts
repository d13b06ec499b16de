// The search: from the trials made so far, which configuration to try next, and why. Pure, and a
// function of those trials alone: whoever kept them can go on where another stopped.
//
// It looks for the cheapest configuration that holds. A failure rules out everything that has no more
// of anything, a pass everything that costs as much or more; each trial is the one that rules out
// most whichever way it ends. That more never hurts is an assumption, so it is checked: the winner's
// neighbours are tried whatever was inferred of them, and a cheaper configuration counts as ruled out
// for good only when two failures say so, as one of them may have been an odd one out.
import { cost, type Prices } from "./price.ts";
import { atMost, axisNames, combinations, limitsKey, oneStepLess } from "./space.ts";
import type { Axes, Axis, Limits } from "./space.ts";
import { isPromising, spread, standing, type Outcome, type Standing } from "./standing.ts";

export interface Tried extends Outcome {
  readonly limits: Limits;
}

export interface SearchOptions {
  readonly axes: Axes;
  readonly prices: Prices;
  /** Combinations that can be tried at all; all unless told. */
  readonly runnable?: (limits: Limits) => boolean;
  /** How often in a row the winner has to pass. */
  readonly repeats: number;
  /** The most trials. Default: a third of all combinations, 12 at least. */
  readonly trials?: number;
}

export type Purpose = "search" | "border" | "confirm" | "one step less" | "double check";

export type Step =
  | { readonly do: "try"; readonly limits: Limits; readonly purpose: Purpose }
  | { readonly do: "stop" };

interface Cell {
  readonly limits: Limits;
  readonly cost: number;
  readonly standing: Standing;
  readonly promising: boolean;
  readonly passes: number;
  readonly failures: number;
}

/** All configurations with what is known of each, cheapest first. */
export interface Picture {
  readonly cells: readonly Cell[];
  /** The cheapest one that passes as far as is known. */
  readonly best: Cell | undefined;
  /** Cheaper than the best and possible as far as is known. */
  readonly candidates: readonly Cell[];
  /** Failed although something with no more of anything passes: more did hurt there. */
  readonly odd: readonly Cell[];
  /** How many failures rule a cell out. */
  readonly witnesses: (cell: Cell) => number;
}

export const configurations = ({ axes, runnable }: SearchOptions): Limits[] =>
  combinations(axes).filter((limits) => runnable?.(limits) ?? true);

const passing = ({ standing: s }: Cell): boolean => s === "passes" || s === "holds";

export function picture(options: SearchOptions, tried: readonly Tried[]): Picture {
  const { prices, repeats } = options;
  const byKey = Map.groupBy(tried, ({ limits }) => limitsKey(limits));
  const deviation = spread(byKey.values());
  const cells = configurations(options)
    .map((limits): Cell => {
      const outcomes = byKey.get(limitsKey(limits)) ?? [];
      return {
        limits,
        cost: cost(limits, prices),
        standing: standing(outcomes, repeats, deviation),
        promising: isPromising(outcomes, repeats, deviation),
        passes: outcomes.filter(({ verdict }) => verdict === "pass").length,
        failures: outcomes.filter(({ verdict }) => verdict === "fail").length,
      };
    })
    .sort((a, b) => a.cost - b.cost);
  const pass = cells.filter(passing);
  const best = pass[0];
  const fails = cells.filter(({ standing: s }) => s === "fails" || s === "close");
  const isOdd = (cell: Cell): boolean => pass.some(({ limits }) => atMost(limits, cell.limits));
  const ruling = fails.filter((cell) => !isOdd(cell));
  const witnesses = (cell: Cell): number =>
    ruling
      .filter(({ limits }) => atMost(cell.limits, limits))
      .reduce((sum, other) => sum + (other === cell ? Math.min(2, other.failures) : 1), 0);
  const candidates = cells.filter(
    (cell) =>
      (cell.standing === "untried" || cell.standing === "open") &&
      (best === undefined || cell.cost < best.cost) &&
      witnesses(cell) === 0 &&
      !onPlateau(cell.limits, cells),
  );
  return { cells, best, candidates, odd: fails.filter(isOdd), witnesses };
}

/**
 * Whether two configurations that differ from this one on the same axis alone, and have less there,
 * were both too close to the limit: more of that does not help, something else is short.
 */
function onPlateau(limits: Limits, cells: readonly Cell[]): boolean {
  const close = cells.filter(({ standing: s }) => s === "close");
  return axisNames.some((axis) => {
    const below = close.filter(
      (other) =>
        other.limits[axis] < limits[axis] &&
        axisNames.every((name) => name === axis || other.limits[name] === limits[name]),
    );
    return below.length >= 2;
  });
}

/** Of those that could still be the answer, the one whose trial tells most. */
function mostTelling(candidates: readonly Cell[]): Cell | undefined {
  const score = (cell: Cell): number => {
    const ifPass = candidates.filter((other) => other.cost >= cell.cost).length;
    const ifFail = candidates.filter((other) => atMost(other.limits, cell.limits)).length;
    return ifPass * ifFail;
  };
  return candidates
    .map((cell) => ({ cell, score: score(cell) }))
    .reduce<{ cell: Cell; score: number } | undefined>(
      (most, next) => (most === undefined || next.score > most.score ? next : most),
      undefined,
    )?.cell;
}

/** One step less on each axis that has one. */
export function neighbours(axes: Axes, limits: Limits): { axis: Axis; limits: Limits }[] {
  return axisNames.flatMap((axis) => {
    const less = oneStepLess(axes, limits, axis);
    return less === undefined ? [] : [{ axis, limits: less }];
  });
}

/** The cheapest configuration that is proven to hold; undefined where none is. */
export const winner = ({ cells }: Picture): Cell | undefined =>
  cells.find(({ standing: s }) => s === "holds");

/** Trials that a search of so many combinations may take: a third, but enough for a certificate. */
export const mostTrials = (options: SearchOptions): number =>
  options.trials ?? Math.max(12, Math.floor(configurations(options).length / 3));

/**
 * What to try next.
 * @param left trials there is still time for
 */
export function nextStep(
  options: SearchOptions,
  tried: readonly Tried[],
  left = mostTrials(options) - tried.length,
): Step {
  const { cells, best, candidates, witnesses } = picture(options, tried);
  const attempt = (cell: Cell, purpose: Purpose): Step => ({
    do: "try",
    limits: cell.limits,
    purpose,
  });
  const untriedNextTo = (cell: Cell): Cell[] => {
    const keys = neighbours(options.axes, cell.limits).map(({ limits }) => limitsKey(limits));
    return cells.filter(
      ({ limits, standing: s }) =>
        (s === "untried" || s === "open") && keys.includes(limitsKey(limits)),
    );
  };
  if (left <= 0) return { do: "stop" };
  // When what is left is just enough for it, the best that can be proven is: a cheaper one that is
  // not proven is worth nothing.
  const provable = cells.find((cell) => cell.standing === "holds" || cell.promising);
  if (provable) {
    const passes = provable.standing === "holds" ? 0 : options.repeats - provable.passes;
    const less = untriedNextTo(provable);
    if (left <= passes + less.length) {
      if (passes > 0) return attempt(provable, "confirm");
      return less[0] ? attempt(less[0], "one step less") : { do: "stop" };
    }
  }
  const open = candidates.find(({ standing: s }) => s === "open");
  if (open) return attempt(open, "border");
  const telling = mostTelling(candidates);
  if (telling) return attempt(telling, "search");
  if (best === undefined) return { do: "stop" };
  if (best.standing !== "holds") return attempt(best, "confirm");
  const less = untriedNextTo(best)[0];
  if (less) return attempt(less, "one step less");
  const doubtful = cells.filter(
    (cell) => cell.cost < best.cost && cell.standing !== "unknown" && witnesses(cell) < 2,
  );
  const nextToBest = neighbours(options.axes, best.limits).map(({ limits }) => limitsKey(limits));
  const doubt =
    doubtful.find(({ limits }) => nextToBest.includes(limitsKey(limits))) ?? mostTelling(doubtful);
  return doubt ? attempt(doubt, "double check") : { do: "stop" };
}
