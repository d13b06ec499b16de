/** A number of JSON that a double does not do for: whole and beyond 2^53, or with a fraction that a double drops. */
export class Decimal {
  /** The double that is nearest. */
  readonly nearest: number;
  /** The whole number that it is; undefined where it has a fraction. */
  readonly whole: bigint | undefined;

  constructor(nearest: number, whole: bigint | undefined) {
    this.nearest = nearest;
    this.whole = whole;
  }

  toJSON(): unknown {
    return this.whole === undefined ? this.nearest : exactJson(this.whole);
  }
}

/** What `JSON.stringify` writes with all its digits. */
export const exactJson = (value: bigint): unknown =>
  (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(String(value));

/** What rounds to more is beyond every integer of 64 bits, whatever its digits are. */
const MOST = 2 ** 64;

/** A number as JSON writes it: its double where that is as good for an integer as for a float, else both. */
export function readNumber(text: string): number | Decimal {
  const nearest = Number(text);
  // A double with a fraction says that the number has one, and each number of 15 digits has its own.
  if (!Number.isInteger(nearest) || Math.abs(nearest) > MOST) return nearest;
  if (text.length <= 15 && nearest !== 0 && Math.abs(nearest) < 1e15) return nearest;
  const whole = wholeNumber(text);
  const safe = whole !== undefined && Number.isSafeInteger(nearest);
  return safe ? nearest : new Decimal(nearest, whole);
}

const ZERO = 0x30;

/** The whole number that a text writes, of some 20 digits at most; undefined where it has a fraction. */
function wholeNumber(text: string): bigint | undefined {
  const [mantissa = "", exponent = "0"] = text.split(/[eE]/);
  const [integer = "", fraction = ""] = mantissa.replace("-", "").split(".");
  const digits = integer + fraction;
  let [first, end] = [0, digits.length];
  while (digits.charCodeAt(first) === ZERO) first++;
  if (first === end) return 0n;
  while (digits.charCodeAt(end - 1) === ZERO) end--;
  const zeros = Number(exponent) - fraction.length + (digits.length - end);
  if (zeros < 0) return undefined;
  // As many digits as the number has, however many were written.
  const size = BigInt(digits.slice(first, end) + "0".repeat(zeros));
  return text.startsWith("-") ? -size : size;
}

export const isNumber = (value: unknown): value is number | Decimal =>
  typeof value === "number" || value instanceof Decimal;

/** The double that is nearest to a number. */
export const nearestTo = (value: number | Decimal): number =>
  typeof value === "number" ? value : value.nearest;

/** The whole number that a value is, undefined where it is none. */
export const wholeOf = (value: unknown): number | bigint | undefined =>
  typeof value === "number"
    ? Number.isInteger(value)
      ? value
      : undefined
    : value instanceof Decimal
      ? value.whole
      : undefined;
