import { nanoseconds, notTime } from "./datetime.ts";
import { Decimal, isNumber, nearestTo, wholeOf } from "./decimal.ts";
import {
  holdsGaps,
  isFloat,
  shapeText,
  type Contract,
  type Field,
  type FieldKind,
  type Row,
  type TensorData,
} from "./types.ts";

/** One field that cannot be accepted: where it is (a JSON pointer) and what is wrong with it. */
export interface FieldError {
  readonly pointer: string;
  readonly detail: string;
}

/** At most so many are named in one reply: a large array of bad rows must not make a larger reply. */
export const MAX_ERRORS = 50;

const pointerPart = (name: string): string => name.replaceAll("~", "~0").replaceAll("/", "~1");

const typeOf = (value: unknown): string =>
  value === null
    ? "null"
    : Array.isArray(value)
      ? "an array"
      : value instanceof Decimal
        ? "a number"
        : typeof value === "object"
          ? "an object"
          : `a ${typeof value}`;

const inRange = ({ min = -Infinity, max = Infinity }: Field, value: number | bigint): boolean =>
  value >= min && value <= max;

/** JSON's objects, and nothing else that JavaScript calls one. */
export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" &&
  value !== null &&
  !Array.isArray(value) &&
  !(value instanceof Decimal);

/** Why a text cannot reach a model as it is; undefined where it can. */
export function notText(value: string): string | undefined {
  if (!value.isWellFormed())
    return "has half of a surrogate pair, which is no character; send whole characters";
  return value.includes("\0")
    ? "has the character U+0000, at which the model would take the text to end; send it without"
    : undefined;
}

/**
 * Whether a scalar is what the field takes: what MLflow's own server takes, where that loses nothing.
 *
 * | column | taken here | MLflow's server also takes, and refused here |
 * |---|---|---|
 * | boolean | true, false, 1, 0 | whatever else, as true: 2, "false", [] |
 * | integer, long | whole numbers within the type, 1.0 too | 1.5 as 1, too large ones as others, true, "1" |
 * | float, double | numbers, whole ones too | true, "1", null where the column does not allow it |
 * | string | texts without U+0000 and halves of surrogate pairs | anything, as it is |
 * | datetime | "2020-01-31", "2020-01-31T12:00:00.5", whole numbers as nanoseconds since 1970 | 1.5, "Jan 31" |
 */
export function accepts(field: Field, value: unknown): boolean {
  switch (field.kind) {
    case "number":
      return typeof value === "number"
        ? inRange(field, value)
        : value instanceof Decimal && inRange(field, value.nearest);
    case "integer":
      return typeof value === "number"
        ? Number.isInteger(value) && inRange(field, value)
        : value instanceof Decimal && value.whole !== undefined && inRange(field, value.whole);
    case "boolean":
      return typeof value === "boolean" || value === 1 || value === 0;
    case "string":
      return typeof value === "string" && notText(value) === undefined;
    case "datetime":
      // A model that reads it as text gets the text that was sent.
      return notTime(value) === undefined && (typeof value === "string" || field.type !== "string");
  }
}

const WANTED: Readonly<Record<FieldKind, string>> = {
  number: "a number",
  integer: "an integer",
  boolean: "a boolean",
  string: "a string",
  datetime: 'a date or a time such as "2020-01-31T12:00:00"',
};

const NO_TIME = {
  form: `is no date or time; it must be ${WANTED.datetime}`,
  zone: "has a time zone, which the model's times do not have; send the time without it",
  range: "is out of range; allowed are the years 1678 to 2261",
};

/** Why there may be no gap in a field, and what would allow it. */
function whyNoGap({ nullable, type, shape }: Field, value: null | undefined): string {
  if (nullable && !holdsGaps(type))
    return `, for the model reads it as ${type}, which has no missing value`;
  if (nullable) return `, for the model takes any size of ${shapeText(shape)}`;
  // Whoever leaves a field out has most often forgotten it, or misspelt its name.
  return value === null && holdsGaps(type)
    ? `; null is allowed where the model's signature has "required": false`
    : "";
}

/** What is wrong with a scalar that is not accepted. */
export function complaint(field: Field, value: unknown): string {
  const { kind } = field;
  const wanted = WANTED[kind];
  const says = value === undefined ? "is missing" : `is ${typeOf(value)}`;
  if (value === undefined || value === null) {
    return `${says}; it must be ${wanted}${whyNoGap(field, value)}`;
  }
  if (kind === "string" && typeof value === "string") return notText(value) ?? says;
  if (kind === "datetime") {
    const reason = notTime(value);
    if (reason !== undefined && reason !== "kind") return NO_TIME[reason];
  }
  if (kind === "integer" && isNumber(value) && wholeOf(value) === undefined)
    return "is not a whole number";
  if (isNumber(value) && (kind === "integer" || kind === "number"))
    return `is out of range; allowed is ${field.min} to ${field.max}`;
  return `${says}; it must be ${wanted}`;
}

/** Checks a nested array against the sizes of a field; `sizes` collects what free sizes turned out to be. */
function checkNested(
  field: Field,
  value: unknown,
  depth: number,
  pointer: string,
  sizes: (number | undefined)[],
  errors: FieldError[],
): void {
  if (depth === field.shape.length) {
    if (!(field.optional && value === null) && !accepts(field, value))
      errors.push({ pointer, detail: complaint(field, value) });
    return;
  }
  if (!Array.isArray(value)) {
    errors.push({ pointer, detail: `is ${typeOf(value)}; it must be an array` });
    return;
  }
  const expected = field.shape[depth] ?? sizes[depth];
  if (expected !== undefined && value.length !== expected) {
    errors.push({ pointer, detail: `has ${value.length} elements; it must have ${expected}` });
    return;
  }
  if (value.length === 0) {
    errors.push({ pointer, detail: "is empty; it must have at least one element" });
    return;
  }
  sizes[depth] = value.length;
  for (let i = 0; i < value.length && errors.length < MAX_ERRORS; i++) {
    checkNested(field, value[i], depth + 1, `${pointer}/${i}`, sizes, errors);
  }
}

/** The elements of arrays within arrays, in order. */
export const flatten = (value: unknown): unknown[] =>
  Array.isArray(value) ? (value.flat(Infinity) as unknown[]) : [value];

/**
 * Checks rows of named values and writes them into tensors.
 * Checking is one loop over the fields without allocation; only a row that fails it is explained.
 */
export class RowDecoder {
  readonly #fields: readonly Field[];
  readonly #names: ReadonlySet<string>;
  readonly #plain: boolean;
  /** Whether a body has to be read with all digits: a double would do for the rest. */
  readonly exact: boolean;

  constructor(contract: Contract) {
    this.exact = contract.fields.some(
      ({ kind, type }) => !isFloat(type) && kind !== "string" && kind !== "number",
    );
    this.#fields = contract.fields;
    this.#names = new Set(contract.fields.map(({ name }) => name));
    this.#plain = contract.fields.every(({ shape }) => shape.length === 0);
  }

  /** Whether the row is one object of scalars with the fields and no others, each acceptable. */
  accepts(row: unknown): boolean {
    if (!this.#plain || !isObject(row)) return false;
    let expected = this.#fields.length;
    for (const field of this.#fields) {
      // An inherited value is never one of JSON's, and none of Object.prototype's is a scalar.
      const value = row[field.name];
      if (accepts(field, value)) continue;
      if (!field.optional) return false;
      if (value === undefined) expected--;
      else if (value !== null) return false;
    }
    return Object.keys(row).length === expected;
  }

  /** Everything wrong with one row, at most MAX_ERRORS; `sizes` holds free sizes per field across rows. */
  explain(
    row: unknown,
    pointer: string,
    sizes: (number | undefined)[][],
    errors: FieldError[],
  ): void {
    if (!isObject(row)) {
      errors.push({ pointer, detail: `is ${typeOf(row)}; a row is an object with named features` });
      return;
    }
    for (const name of Object.keys(row)) {
      if (!this.#names.has(name) && errors.length < MAX_ERRORS) {
        errors.push({
          pointer: `${pointer}/${pointerPart(name)}`,
          detail: "is not a feature of the model",
        });
      }
    }
    this.#fields.forEach((field, i) => {
      if (errors.length >= MAX_ERRORS) return;
      const value: unknown = Object.hasOwn(row, field.name) ? row[field.name] : undefined;
      if (field.optional && (value === undefined || value === null)) return;
      const at = `${pointer}/${pointerPart(field.name)}`;
      if (value === undefined) errors.push({ pointer: at, detail: complaint(field, undefined) });
      else checkNested(field, value, 0, at, (sizes[i] ??= []), errors);
    });
  }

  /** Everything wrong with the rows, `[]` when nothing is. */
  check(rows: readonly unknown[], single: boolean): FieldError[] {
    const errors: FieldError[] = [];
    const sizes: (number | undefined)[][] = [];
    for (let i = 0; i < rows.length && errors.length < MAX_ERRORS; i++) {
      if (!this.accepts(rows[i])) this.explain(rows[i], single ? "" : `/${i}`, sizes, errors);
    }
    return errors;
  }

  /** Shape of one row of every input: free sizes are taken from a row that was checked. */
  rowShape(contract: Contract, row: Row): number[][] {
    return contract.inputs.map((input, i) => {
      const field = this.#fields.find((f) => f.input === i && f.shape.length > 0);
      if (!field) return input.shape.slice(1).map((size) => size ?? 1);
      let value: unknown = row[field.name];
      return field.shape.map((size) => {
        const length = Array.isArray(value) ? value.length : 0;
        value = Array.isArray(value) ? value[0] : undefined;
        return size ?? length;
      });
    });
  }

  /** Writes checked rows into the inputs' storage, the first as row `at`; `widths` are elements a row. */
  write(
    rows: readonly Row[],
    from: number,
    count: number,
    into: readonly TensorData[],
    widths: readonly number[],
    at: number,
  ): void {
    for (let r = 0; r < count; r++) {
      const row = rows[from + r] ?? {};
      for (const field of this.#fields) {
        const data = into[field.input];
        const value = row[field.name];
        const width = widths[field.input] ?? 1;
        const offset = (at + r) * width + field.column;
        if (field.shape.length === 0) writeScalar(data as TensorData, offset, value, field);
        else {
          const elements = Array.isArray(value) ? flatten(value) : [];
          // All of it is written: the storage has elements of an earlier run.
          for (let i = 0; i < width; i++)
            writeScalar(data as TensorData, offset + i, elements[i], field);
        }
      }
    }
  }
}

/** Writes one checked scalar as element `at`. */
export function writeScalar(data: TensorData, at: number, value: unknown, field: Field): void {
  if (field.type === "float32" && typeof value === "number") (data as Float32Array)[at] = value;
  else if (field.type === "string")
    (data as string[])[at] = typeof value === "string" ? value : asPython(value, field.kind);
  else {
    const given = typeof value === "string" ? nanoseconds(value) : value;
    if (field.type === "int64")
      (data as BigInt64Array)[at] = BigInt(
        given instanceof Decimal ? (given.whole ?? 0) : (given as number | bigint | boolean),
      );
    else if (isNumber(given)) (data as Float64Array)[at] = nearestTo(given);
    else (data as Float64Array)[at] = missing(given) ? NaN : Number(given);
  }
}

/** Null or absent: an absent field may have an inherited value, which is no scalar. */
const missing = (value: unknown): boolean =>
  value === undefined || value === null || typeof value === "object" || typeof value === "function";

/** A value for a column that the model reads as text, as Python's `str` writes it. */
function asPython(value: unknown, kind: FieldKind): string {
  if (isNumber(value) && kind !== "boolean")
    return kind === "number" ? pythonFloat(nearestTo(value)) : String(BigInt(wholeOf(value) ?? 0));
  if (missing(value)) return "";
  return value ? "True" : "False";
}

/** Python's `repr` of a float: as few digits as JavaScript's, but other exponents. */
function pythonFloat(value: number): string {
  const [mantissa = "", exponent = ""] = value.toExponential().split("e");
  const power = Number(exponent);
  if (power < -4 || power >= 16) {
    const digits = String(Math.abs(power)).padStart(2, "0");
    return `${mantissa}e${power < 0 ? "-" : "+"}${digits}`;
  }
  const text = Object.is(value, -0) ? "-0" : String(value);
  return Number.isInteger(value) ? `${text}.0` : text;
}
