// What all trials of one configuration say together.

/** One trial as the search sees it. */
export interface Outcome {
  readonly verdict: "pass" | "fail" | "unstable" | "void";
  /** Of the objective worst kept: below 0 it was met; -1..1. See `Judged`. */
  readonly margin: number;
}

export type Standing =
  /** Never tried. */
  | "untried"
  /** Failed, but so close that it has to be tried again. */
  | "open"
  /** Passed when tried, not often enough yet to be sure. */
  | "passes"
  /** Passed often enough in a row, further from the limit than chance explains. */
  | "holds"
  /** Too close to the limit to be promised, however often it is tried. */
  | "close"
  | "fails"
  /** Every trial was void: something else was the limit. */
  | "unknown";

/** A failure by less than this (a fifth above the limit) may be chance. */
const near = Math.log(1.2);
/** What is thought of the spread of margins before anything was tried twice, and its weight in trials. */
const expectedSpread = 0.1;
const expectedWeight = 2;
/** Standard errors that chance explains, one-sided 99%. */
const certainty = 2.33;
const mostVoids = 2;

const isVoid = ({ verdict }: Outcome): boolean => verdict === "void";
const isPass = ({ verdict }: Outcome): boolean => verdict === "pass";
/** A failure that chance does not explain. */
export const isClear = ({ verdict, margin }: Outcome): boolean =>
  verdict === "fail" && margin >= near;

const meanOf = (xs: readonly number[]): number => xs.reduce((sum, x) => sum + x, 0) / xs.length;

/**
 * How far trials of the same configuration lie apart: the standard deviation of the margin, pooled
 * over all configurations, as three trials of one say little about it.
 */
export function spread(groups: Iterable<readonly Outcome[]>): number {
  let squares = expectedWeight * expectedSpread ** 2;
  let weight = expectedWeight;
  for (const outcomes of groups) {
    const margins = outcomes.filter((o) => !isVoid(o) && !isClear(o)).map(({ margin }) => margin);
    if (margins.length < 2) continue;
    const mean = meanOf(margins);
    squares += margins.reduce((sum, x) => sum + (x - mean) ** 2, 0);
    weight += margins.length - 1;
  }
  return Math.sqrt(squares / weight);
}

/** Where a mean margin of so many trials is surely below 0. */
const surely = (margins: readonly number[], deviation: number, trials: number): boolean =>
  meanOf(margins) + (certainty * deviation) / Math.sqrt(trials) < 0;

/** Whether more trials like those so far would make it hold. */
export function isPromising(outcomes: readonly Outcome[], repeats: number, deviation: number) {
  const counted = outcomes.filter((o) => !isVoid(o));
  return (
    counted.every(isPass) &&
    surely(
      counted.map(({ margin }) => margin),
      deviation,
      repeats,
    )
  );
}

/**
 * @param repeats how often in a row it has to pass; twice as often where it ever failed
 * @param deviation see `spread`
 */
export function standing(
  outcomes: readonly Outcome[],
  repeats: number,
  deviation: number,
): Standing {
  const counted = outcomes.filter((o) => !isVoid(o));
  if (counted.length === 0) return outcomes.length >= mostVoids ? "unknown" : "untried";
  const failures = counted.filter((o) => !isPass(o)).length;
  const passes = counted.length - failures;
  const clear = counted.filter(isClear).length;
  if (clear >= 2 || (clear === 1 && passes === 0)) return "fails";
  if (failures >= 2) return "close";
  if (passes === 0) return "open";
  const inARow = counted.length - 1 - counted.findLastIndex((o) => !isPass(o));
  const needed = clear > 0 ? 2 * repeats : repeats;
  const margins = counted.filter((o) => !isClear(o)).map(({ margin }) => margin);
  if (inARow >= needed && surely(margins, deviation, margins.length)) return "holds";
  const hopeless = margins.length >= repeats && meanOf(margins) > -deviation / 2;
  return hopeless || counted.length >= 2 * repeats + failures ? "close" : "passes";
}
