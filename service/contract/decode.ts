import type { Contract, Field, TensorData } from "./types.ts";

export type Row = Readonly<Record<string, unknown>>;

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
      : typeof value === "object"
        ? "an object"
        : `a ${typeof value}`;

const numberFits = (field: Field, value: number): boolean =>
  value >= (field.min ?? -Infinity) && value <= (field.max ?? Infinity);

/** Whether a scalar is what the field takes. */
function accepts(field: Field, value: unknown): boolean {
  switch (field.kind) {
    case "number":
      return typeof value === "number" && numberFits(field, value);
    case "integer":
      return typeof value === "number"
        ? Number.isInteger(value) && numberFits(field, value)
        : typeof value === "bigint" &&
            value >= (field.min ?? value) &&
            value <= (field.max ?? value);
    case "boolean":
      return typeof value === "boolean";
    case "string":
      return typeof value === "string";
  }
}

function complaint(field: Field, value: unknown): string {
  const wanted = field.kind === "integer" ? "an integer" : `a ${field.kind}`;
  if (value === undefined) return `is missing; it must be ${wanted}`;
  const outOfRange =
    (field.kind === "number" && typeof value === "number") ||
    (field.kind === "integer" && (typeof value === "bigint" || Number.isInteger(value)));
  if (outOfRange) return `is out of range; allowed is ${field.min} to ${field.max}`;
  if (field.kind === "integer" && typeof value === "number") return "is not a whole number";
  return `is ${typeOf(value)}; it must be ${wanted}`;
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
    if (!accepts(field, value)) errors.push({ pointer, detail: complaint(field, value) });
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

  constructor(contract: Contract) {
    this.#fields = contract.fields;
    this.#names = new Set(contract.fields.map(({ name }) => name));
    this.#plain = contract.fields.every(({ shape, optional }) => shape.length === 0 && !optional);
  }

  /** Whether the row is one object of scalars with exactly the fields, each acceptable. */
  accepts(row: unknown): boolean {
    if (!this.#plain || typeof row !== "object" || row === null) return false;
    if (Object.keys(row).length !== this.#fields.length) return false;
    for (const field of this.#fields) {
      // An inherited value is never one of JSON's, and none of Object.prototype's is a scalar.
      if (!accepts(field, (row as Row)[field.name])) return false;
    }
    return true;
  }

  /** Everything wrong with one row, at most MAX_ERRORS; `sizes` holds free sizes per field across rows. */
  explain(
    row: unknown,
    pointer: string,
    sizes: (number | undefined)[][],
    errors: FieldError[],
  ): void {
    if (typeof row !== "object" || row === null || Array.isArray(row)) {
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
      const value: unknown = Object.hasOwn(row, field.name) ? (row as Row)[field.name] : undefined;
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
        const offset = (at + r) * (widths[field.input] ?? 1) + field.column;
        if (field.shape.length === 0) writeScalar(data as TensorData, offset, value, field);
        else
          flatten(value).forEach((element, i) => {
            writeScalar(data as TensorData, offset + i, element, field);
          });
      }
    }
  }
}

function writeScalar(data: TensorData, at: number, value: unknown, field: Field): void {
  if (field.type === "float32" && typeof value === "number") (data as Float32Array)[at] = value;
  else if (field.type === "string") (data as string[])[at] = (value ?? "") as string;
  else if (field.type === "int64")
    (data as BigInt64Array)[at] = BigInt(value as number | bigint | boolean);
  else (data as Float64Array)[at] = value === undefined || value === null ? NaN : Number(value);
}

/** JSON.parse that keeps integers beyond 2^53 exact, as bigint. Throws SyntaxError. */
export function parseExact(text: string): unknown {
  const keep = (_key: string, value: unknown, context?: { source?: string }): unknown => {
    const source = context?.source;
    return typeof value === "number" &&
      !Number.isSafeInteger(value) &&
      source &&
      /^-?\d+$/.test(source)
      ? BigInt(source)
      : value;
  };
  return JSON.parse(text, keep);
}
