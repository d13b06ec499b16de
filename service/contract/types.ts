/** Tensor element types by ONNX Runtime's names. */
export type ElementType =
  | "float32"
  | "float64"
  | "float16"
  | "int8"
  | "int16"
  | "int32"
  | "int64"
  | "uint8"
  | "uint16"
  | "uint32"
  | "uint64"
  | "bool"
  | "string";

/** A size, or null where the model takes any. */
export type Dimension = number | null;

export interface TensorSpec {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly Dimension[];
}

/** Elements of one tensor in row-major order; bool is one byte an element. */
export type TensorData =
  | Float32Array
  | Float64Array
  | Float16Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | string[];

/** What JSON must hold for a field: `accepts` in decode.ts says which values. */
export type FieldKind = "number" | "integer" | "boolean" | "string" | "datetime";

/** A JSON scalar, as the original of a model has its labels. */
export type Scalar = string | number | boolean;

/** One named value of a row, and where it goes. */
export interface Field {
  readonly name: string;
  readonly kind: FieldKind;
  /** Element type of the tensor it is written to. */
  readonly type: ElementType;
  /** Least and greatest value allowed, both included; for numbers only. */
  readonly min: number | bigint | undefined;
  readonly max: number | bigint | undefined;
  /** The model was made for gaps here. */
  readonly nullable: boolean;
  /** Null or absent is allowed and becomes NaN, or the empty string: nullable, and its tensor has such a value. */
  readonly optional: boolean;
  /** Shape of one row's value; empty for a scalar. */
  readonly shape: readonly Dimension[];
  /** Index of the tensor it is written to, and of its first element within a row of that tensor. */
  readonly input: number;
  readonly column: number;
}

/** How many rows one run takes: any number, or always the same. */
export type RowsPerRun = "any" | number;

/** A model's classes, for one that classifies. */
export interface Classes {
  /** Output (by index) with the label; undefined where the signature leaves it out. */
  readonly label: number | undefined;
  /** Output with the probability of every class; undefined where there is none. */
  readonly probabilities: number | undefined;
  /** Label of every class as the tensor has it, in the order of the probabilities; undefined where nothing says. */
  readonly labels: readonly (string | number)[] | undefined;
  /** The same labels as the original has them: `true` where the tensor has 1. */
  readonly original: readonly Scalar[] | undefined;
  /** Readable name of every class, where the model carries names beside its labels. */
  readonly names: readonly string[] | undefined;
}

/** Named values: a row of `POST /predict`. */
export type Row = Readonly<Record<string, unknown>>;

/** What a model takes and gives, as everything outside the model folder sees it. */
export interface Contract {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly fields: readonly Field[];
  readonly classes: Classes | undefined;
  readonly rowsPerRun: RowsPerRun;
  /** False where requests cannot share a run: a dimension besides the rows is free. */
  readonly shareable: boolean;
  /** Rows that came with the model, each valid. */
  readonly examples: readonly Row[];
  /** A row for the documentation: the first that came with the model or a made-up one. */
  readonly example: Row;
}

export const elementCount = (shape: readonly number[]): number =>
  shape.reduce((product, size) => product * size, 1);

/**
 * The fields that a row of input `i` is made of: the columns of a table in their order, or the one
 * field that is the input. Element `k` of the tensor belongs to the field `k % length`.
 */
export const fieldsOf = ({ inputs, fields }: Contract, i: number): readonly Field[] =>
  inputs.length === 1 ? fields : fields.slice(i, i + 1);

/** Elements of one row of a tensor whose first dimension counts rows; null when a size is free. */
export function rowWidth(shape: readonly Dimension[]): number | null {
  let width = 1;
  for (const size of shape.slice(1)) {
    if (size === null) return null;
    width *= size;
  }
  return width;
}

/** An empty tensor's storage. */
export function allocate(type: ElementType, length: number): TensorData {
  switch (type) {
    case "float32":
      return new Float32Array(length);
    case "float64":
      return new Float64Array(length);
    case "float16":
      return new Float16Array(length);
    case "int8":
      return new Int8Array(length);
    case "int16":
      return new Int16Array(length);
    case "int32":
      return new Int32Array(length);
    case "int64":
      return new BigInt64Array(length);
    case "uint8":
    case "bool":
      return new Uint8Array(length);
    case "uint16":
      return new Uint16Array(length);
    case "uint32":
      return new Uint32Array(length);
    case "uint64":
      return new BigUint64Array(length);
    case "string":
      return new Array<string>(length).fill("");
  }
}

/** Least and greatest value of each numeric type; integers beyond 2^53 as bigint. */
export const RANGES: Readonly<
  Partial<Record<ElementType, readonly [number | bigint, number | bigint]>>
> = {
  float16: [-65_504, 65_504],
  // The last double that is rounded down: 3.4028235e38, as most write the greatest float32, is below it.
  float32: [-3.4028235677973362e38, 3.4028235677973362e38],
  float64: [-Number.MAX_VALUE, Number.MAX_VALUE],
  int8: [-128, 127],
  int16: [-32_768, 32_767],
  int32: [-2_147_483_648, 2_147_483_647],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint8: [0, 255],
  uint16: [0, 65_535],
  uint32: [0, 4_294_967_295],
  uint64: [0n, 2n ** 64n - 1n],
};

/** Whether a tensor has something for a missing value: NaN, or the empty text. */
export const holdsGaps = (type: ElementType): boolean => isFloat(type) || type === "string";

export const isFloat = (type: ElementType): boolean => type.startsWith("float");

/** What JSON has for an element of a tensor, however wide it is. */
export const jsonKind = (type: ElementType): Exclude<FieldKind, "datetime"> =>
  type === "string" ? "string" : type === "bool" ? "boolean" : isFloat(type) ? "number" : "integer";

export const shapeText = (shape: readonly Dimension[]): string =>
  `[${shape.map((size) => size ?? "any").join(", ")}]`;

const INPUT_TYPES = ["float32", "float64", "int32", "int64", "bool", "string"] as const;

/** Element types that requests can hold, and those that replies can. */
export const SERVED_TYPES: Readonly<Record<"input" | "output", readonly ElementType[]>> = {
  input: INPUT_TYPES,
  output: [
    ...INPUT_TYPES,
    ...(["float16", "int8", "int16", "uint8", "uint16", "uint32", "uint64"] as const),
  ],
};

/**
 * Copies `count` rows of tensors from row `from` on, as rows `at` and following of `into`; `widths` are
 * elements a row.
 */
export function copyRows(
  data: readonly TensorData[],
  from: number,
  count: number,
  into: readonly TensorData[],
  widths: readonly number[],
  at: number,
): void {
  data.forEach((source, i) => {
    const width = widths[i] ?? 1;
    // Both have elements of one type, whichever that is.
    const [elements, target] = [source as string[], into[i] as string[]];
    const offset = (at - from) * width;
    const end = (from + count) * width;
    for (let k = from * width; k < end; k++) target[offset + k] = elements[k] as string;
  });
}
