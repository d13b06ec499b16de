import { wholeOf } from "./decimal.ts";

/** Least and greatest time that 64 bits of nanoseconds hold: the years 1677 to 2262. */
const FIRST = -(2n ** 63n) + 1n;
const LAST = 2n ** 63n - 1n;

/** ISO 8601: a date, alone or with a time of day to the nanosecond. */
const FORM =
  /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)?(Z|[+-]\d\d(?::?\d\d)?)?$/;

/** Why a text is no time that can be taken; `zone`: it has a time zone, which MLflow's columns never have. */
export type NoTime = "form" | "zone" | "range";

const read = (text: string): bigint | NoTime => {
  const parts = FORM.exec(text);
  if (!parts) return "form";
  if (parts[8] !== undefined) return "zone";
  const number = (part: number): number => Number(parts[part] ?? 0);
  const [year, month, day] = [number(1), number(2), number(3)];
  const [hour, minute, second] = [number(4), number(5), number(6)];
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  // The 30th of February becomes the 1st of March, and 25 o'clock another day.
  const real =
    date.getUTCMonth() === month - 1 &&
    date.getUTCDate() === day &&
    hour < 24 &&
    minute < 60 &&
    second < 60;
  if (!real) return "form";
  const time = BigInt(date.getTime()) * 1_000_000n + BigInt((parts[7] ?? "").padEnd(9, "0"));
  return time < FIRST || time > LAST ? "range" : time;
};

/** What is wrong with a value as a time; undefined when nothing is. */
export function notTime(value: unknown): NoTime | "kind" | undefined {
  if (typeof value === "string") {
    const time = read(value);
    return typeof time === "bigint" ? undefined : time;
  }
  const whole = wholeOf(value);
  if (whole === undefined) return "kind";
  return whole < FIRST || whole > LAST ? "range" : undefined;
}

/** Nanoseconds since 1970 of a text that `notTime` has nothing against, as pandas counts them. */
export function nanoseconds(text: string): bigint {
  const time = read(text);
  return typeof time === "bigint" ? time : 0n;
}
