import type { Writer } from "./writer.ts";

const [ZERO, DOT, MINUS, E] = [0x30, 0x2e, 0x2d, 0x65];

const DECIMALS = 8;
const UNITS = 10 ** DECIMALS;

/** JSON has a zero of either sign, which no template keeps. */
export const zeroText = (zero: number): string => (Object.is(zero, -0) ? "-0" : "0");

/** The shortest of two decimal forms that read back as the same float32; JSON has no NaN: null. */
export function float32Text(value: number): string {
  if (!Number.isFinite(value)) return "null";
  if (value === 0) return zeroText(value);
  const short = Math.round(value * UNITS) / UNITS;
  return Math.fround(short) === value ? `${short}` : `${value}`;
}

/** Below, JavaScript writes a power of ten; from there on, a double has not all of the decimals. */
const [LEAST_FIXED, LEAST_INEXACT] = [1e-6 * UNITS, 1e15];

/** Writes what `float32Text` says, at a fraction of the cost: JavaScript makes a text of each number first. */
export function writeFloat32(writer: Writer, value: number): void {
  const units = Math.round(value * UNITS);
  const size = Math.abs(units);
  const short = Math.fround(units / UNITS) === value;
  if (short && size >= LEAST_FIXED && size < LEAST_INEXACT) writeFixed(writer, units);
  else if (!short && shortest.find(Math.abs(value))) {
    if (value < 0) writer.character(MINUS);
    writeShortest(writer);
  } else writer.text(float32Text(value));
}

function writeFixed(writer: Writer, units: number): void {
  if (units < 0) writer.character(MINUS);
  const size = Math.abs(units);
  const whole = Math.floor(size / UNITS);
  if (whole < 10) writer.character(ZERO + whole);
  else writer.text(String(whole));
  const rest = size - whole * UNITS;
  if (rest === 0) return;
  writer.character(DOT);
  writer.eightDigits(rest);
  writer.trimZeros();
}

/** JavaScript's form of the digits that were found. */
function writeShortest(writer: Writer): void {
  const { first, middle, last, exponent } = shortest;
  const power = exponent < LEAST_PLAIN;
  if (!power) {
    writer.character(ZERO);
    writer.character(DOT);
    for (let i = exponent + 1; i < 0; i++) writer.character(ZERO);
  }
  writer.character(ZERO + first);
  if (power) writer.character(DOT);
  writer.eightDigits(middle);
  writer.eightDigits(last);
  writer.trimZeros();
  if (power) {
    writer.character(E);
    writer.character(MINUS);
    if (exponent <= -10) writer.character(ZERO + Math.floor(-exponent / 10));
    writer.character(ZERO + (-exponent % 10));
  }
}

/** The least exponent of ten that JavaScript writes no `e` for. */
const LEAST_PLAIN = -6;

/** What is found are one digit and two times eight. */
const DIGITS = 17;
const EIGHT = 1e8;

/** Least float32 that has all its bits, and a bound below which `float32Text` seldom writes eight decimals. */
const [LEAST_NORMAL, BOUND] = [2 ** -126, 0.125];
const BIAS = 127;
const [MANTISSA_BITS, DOUBLE_BITS] = [23, 53];
/** A power of ten as three numbers: products of the first two with a float32 are exact. */
const PART_BITS = DOUBLE_BITS - MANTISSA_BITS - 1;
/** More than all that rounding may be off. */
const SLACK = 1e-6;

const binaryExponents = Array.from({ length: BIAS }, (_, biased) => biased - BIAS);
/** Of each binary exponent: half the distance between doubles, and the decimal exponent it begins with, negated. */
const HALF_STEPS = Float64Array.from(binaryExponents, (exponent) => 2 ** (exponent - DOUBLE_BITS));
const DECIMAL = Uint8Array.from(
  binaryExponents,
  (exponent) => -Math.floor(exponent * Math.log10(2)),
);
const MOST_DECIMAL = Math.max(...DECIMAL);
const TENTHS = Float64Array.from({ length: MOST_DECIMAL + 1 }, (_, i) => Number(`1e-${i}`));

/** What makes 17 digits before the point of a number with that decimal exponent, negated. */
const SCALES = Array.from({ length: MOST_DECIMAL + 1 }, (_, i) => {
  let rest = 10n ** BigInt(DIGITS - 1 + i);
  const part = (): number => {
    const shift = BigInt(Math.max(0, rest.toString(2).length - PART_BITS));
    const top = (rest >> shift) << shift;
    rest -= top;
    return Number(top);
  };
  return { first: part(), second: part(), third: Number(rest) };
});

/**
 * The fewest digits that no other double has, of a float32 below `BOUND`. They are a whole number of 17
 * digits, found by multiplication with a power of ten in three parts; where rounding could have a say,
 * nothing is found.
 */
class Shortest {
  first = 0;
  middle = 0;
  last = 0;
  /** Of ten, for the first digit. */
  exponent = 0;
  readonly #value = new Float32Array(1);
  readonly #bits = new Int32Array(this.#value.buffer);

  find(value: number): boolean {
    if (!(value >= LEAST_NORMAL && value < BOUND)) return false;
    this.#value[0] = value;
    const bits = this.#bits[0] as number;
    // The double below a power of two is nearer than the one above.
    if ((bits & ((1 << MANTISSA_BITS) - 1)) === 0) return false;
    const binary = bits >> MANTISSA_BITS;
    let decimal = DECIMAL[binary] as number;
    if (value >= (TENTHS[decimal - 1] as number)) decimal--;
    const scale = SCALES[decimal] as (typeof SCALES)[number];
    const scaled = value * scale.first;
    // Multiplied where a division would take longer; the carry mends what that is off.
    let high = Math.floor(scaled * 1e-8);
    let rest = scaled - high * EIGHT + (value * scale.second + value * scale.third);
    const carry = Math.floor(rest * 1e-8);
    high += carry;
    rest -= carry * EIGHT;
    const half = (HALF_STEPS[binary] as number) * scale.first;
    const hundreds = Math.round(rest * 0.01) * 100;
    if (Math.abs(rest - hundreds) < half + SLACK) return false;
    const tens = Math.round(rest * 0.1) * 10;
    const offTens = Math.abs(rest - tens);
    // One digit less where that is nearer than any other double; the nearest of that kind.
    const shorter = offTens < half;
    const last = shorter ? tens : Math.round(rest);
    const unsure =
      Math.abs(offTens - half) < SLACK || Math.abs(rest - last) > (shorter ? 5 : 0.5) - SLACK;
    if (unsure) return false;
    this.first = (high / EIGHT) | 0;
    this.middle = (high - this.first * EIGHT) | 0;
    this.last = last | 0;
    this.exponent = -decimal;
    return true;
  }
}

const shortest = new Shortest();
