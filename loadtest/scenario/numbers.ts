// Numbers as a model might be sent them: between two that were seen, or within what a schema says
// where that is more than what the type itself can hold.
import { isExact } from "../exact-json.ts";

/** Least and greatest value of the types that servers write as bounds although every value is within. */
const typeRanges: readonly (readonly [number, number])[] = [
  [-128, 127],
  [0, 255],
  [-32_768, 32_767],
  [0, 65_535],
  [-65_504, 65_504],
  [-(2 ** 31), 2 ** 31 - 1],
  [0, 2 ** 32 - 1],
  [-(2 ** 53), 2 ** 53],
  [-(2 ** 63), 2 ** 63],
  [0, 2 ** 64],
  [-3.4028234663852886e38, 3.4028234663852886e38],
  [-Number.MAX_VALUE, Number.MAX_VALUE],
];

/** Above it a type's end says nothing by itself; below it, 127 or 255 may well be meant. */
const large = 2 ** 31 - 1;

/** Whether one is the other as somebody wrote it: 3.4e38, 9223372036854775000, 2^53 - 1. */
const isAbout = (bound: number, end: number): boolean =>
  bound === end ||
  Math.abs(bound - end) <= Math.max(1, (Math.abs(end) >= 1e30 ? 1e-2 : 1e-9) * Math.abs(end));

/** A number of a document as a double; undefined where it is none. */
export function numberOf(value: unknown): number | undefined {
  const number = isExact(value) ? Number(value.rawJSON) : value;
  return typeof number === "number" && Number.isFinite(number) ? number : undefined;
}

interface Bounds {
  readonly least: number | undefined;
  readonly most: number | undefined;
}

/** The bounds that somebody meant: without those of the type. */
export function meant({ least, most }: Bounds): Bounds {
  if (typeRanges.some(([low, high]) => least === low && most === high)) {
    return { least: undefined, most: undefined };
  }
  const ofType = (bound: number | undefined): boolean =>
    bound !== undefined &&
    Math.abs(bound) >= large &&
    typeRanges.some((ends) => ends.some((end) => Math.abs(end) >= large && isAbout(bound, end)));
  return {
    least: ofType(least) ? undefined : least,
    most: ofType(most) ? undefined : most,
  };
}

/** Both ends of a range; where only one is known, or none, `0..size` or what is next to it. */
export function rangeOf(bounds: Bounds, size: number): readonly [number, number] {
  const { least, most } = meant(bounds);
  // Beside a bound so large that `size` is lost in it, as much as makes a difference.
  const beside = (end: number): number => Math.max(size, Math.abs(end) * 0.1);
  const low = least ?? (most === undefined || most > 0 ? 0 : most - beside(most));
  const high = most ?? (low < size ? size : low + beside(low));
  return [Math.max(low, -Number.MAX_VALUE), Math.min(high, Number.MAX_VALUE)];
}

/** From `low` for a `share` of 0 to `high` for 1; no pair of finite ends makes it infinite. */
const along = (low: number, high: number, share: number): number =>
  low * (1 - share) + high * share;

const within = (value: number, low: number, high: number): number =>
  Math.min(high, Math.max(low, value));

/** Digits behind the point that it takes to write a number. */
function decimals(value: number): number {
  const [digits = "", exponent = "0"] = String(value).split("e");
  return Math.max(0, (digits.split(".")[1]?.length ?? 0) - Number(exponent));
}

/** A number between two that were seen, with no more decimals than they have, and a thousand steps at most. */
export function between(a: number, b: number, share: number): number {
  const [low, high] = a < b ? [a, b] : [b, a];
  const steps = Math.ceil(3 - Math.log10(high - low));
  const places = within(Math.min(Math.max(decimals(a), decimals(b)), steps), 0, 100);
  return within(Number(along(low, high, share).toFixed(places)), low, high);
}

/** Strictly inside a range, so that exclusive limits hold too; short, as people write numbers. */
export function real([low, high]: readonly [number, number], share: number): number {
  const value = along(low, high, 0.001 + 0.998 * share);
  const short = Number(value.toPrecision(4));
  return short > low && short < high ? short : within(value, low, high);
}

/** A whole number of a range, its ends included. */
export function whole([low, high]: readonly [number, number], share: number): number {
  const [least, most] = [Math.ceil(low), Math.floor(high)];
  return within(Math.floor(along(least, most + 1, share)), least, Math.max(least, most));
}
