import { parseDescription } from "./description.ts";
import type { Dimension, ElementType, FieldKind, Scalar } from "./types.ts";

/** A named column of an MLflow signature. */
export interface Column {
  readonly name: string | undefined;
  readonly type: string;
  readonly kind: FieldKind;
  readonly required: boolean;
}

export interface SignatureTensor {
  readonly name: string | undefined;
  readonly type: ElementType;
  readonly shape: readonly Dimension[];
}

/** What its conversion remembers of the original; MLflow's signature has no words for some of it. */
export interface Original {
  /** The original's labels in the order of the probabilities. */
  readonly classLabels: readonly Scalar[] | undefined;
  /** Of each column, whatever the tensor it is written to. */
  readonly columns: ReadonlyMap<string, { readonly kind: FieldKind; readonly nullable: boolean }>;
}

/** MLflow's description of a model, as far as it says how to call it. */
export interface MLmodel {
  /** File with the ONNX model, within the folder. */
  readonly file: string;
  readonly columns: readonly Column[] | undefined;
  readonly tensors: readonly SignatureTensor[] | undefined;
  readonly outputs: readonly SignatureTensor[] | undefined;
  readonly featureNames: readonly string[] | undefined;
  readonly classNames: readonly string[] | undefined;
  /** Undefined for a model that was not converted here. */
  readonly original: Original | undefined;
}

const COLUMN_KINDS: Readonly<Record<string, FieldKind>> = {
  boolean: "boolean",
  integer: "integer",
  long: "integer",
  float: "number",
  double: "number",
  string: "string",
  datetime: "datetime",
};

const NUMPY_TYPES: Readonly<Record<string, ElementType>> = {
  object: "string",
  str: "string",
  bool: "bool",
};

const elementType = (dtype: string): ElementType =>
  NUMPY_TYPES[dtype] ?? (/^(<U|\|S)/.test(dtype) ? "string" : (dtype as ElementType));

interface RawColumn {
  name?: string;
  type: string;
  required?: boolean;
  "tensor-spec"?: { dtype: string; shape: number[] };
}

/** One side of a signature: a JSON text inside the YAML, or the list itself. */
function readSide(side: unknown, name: string): RawColumn[] | undefined {
  if (side === undefined || side === null) return undefined;
  let list: unknown = side;
  try {
    if (typeof side === "string") list = JSON.parse(side);
  } catch (cause) {
    throw new Error(`The signature's ${name} in MLmodel are not valid JSON.`, { cause });
  }
  if (!Array.isArray(list)) throw new Error(`The signature's ${name} in MLmodel are not a list.`);
  return list as RawColumn[];
}

const readTensors = (side: RawColumn[] | undefined): SignatureTensor[] | undefined =>
  side?.every((column) => column.type === "tensor")
    ? side.map(({ name, "tensor-spec": spec }) => ({
        name,
        type: elementType(spec?.dtype ?? ""),
        shape: (spec?.shape ?? []).map((size) => (size < 0 ? null : size)),
      }))
    : undefined;

function readColumns(side: RawColumn[] | undefined): Column[] | undefined {
  if (side === undefined || side.some((column) => column.type === "tensor")) return undefined;
  return side.map(({ name, type, required }, i) => {
    const kind = COLUMN_KINDS[type];
    if (kind === undefined) {
      throw new Error(
        `Column "${name ?? i}" of the model's signature has type "${type}"; ` +
          `served are ${Object.keys(COLUMN_KINDS).join(", ")}.`,
      );
    }
    return { name, type, kind, required: required !== false };
  });
}

const stringList = (value: unknown): string[] | undefined =>
  Array.isArray(value) && value.every((item) => typeof item === "string") ? value : undefined;

const record = (value: unknown): Readonly<Record<string, unknown>> | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;

const isScalar = (value: unknown): value is Scalar =>
  ["string", "number", "boolean"].includes(typeof value);

/** The block `inference_stack` of the metadata; what is not of its form says nothing. */
function readOriginal(metadata: Readonly<Record<string, unknown>>): Original | undefined {
  const block = record(metadata["inference_stack"]);
  if (!block) return undefined;
  const labels = block["class_labels"];
  const kinds: readonly unknown[] = Object.values(COLUMN_KINDS);
  return {
    classLabels:
      Array.isArray(labels) && labels.length > 0 && labels.every(isScalar) ? labels : undefined,
    columns: new Map(
      Object.entries(record(block["columns"]) ?? {}).flatMap(([name, said]) => {
        const { kind, nullable } = record(said) ?? {};
        return kinds.includes(kind)
          ? [[name, { kind: kind as FieldKind, nullable: nullable === true }] as const]
          : [];
      }),
    ),
  };
}

/** Reads the text of an `MLmodel` file. Throws Error where it says something that cannot be served. */
export function parseMLmodel(text: string): MLmodel {
  const root = parseDescription(text) as {
    flavors?: { onnx?: { data?: string } };
    signature?: { inputs?: unknown; outputs?: unknown };
    metadata?: unknown;
  } | null;
  const inputs = readSide(root?.signature?.inputs, "inputs");
  const metadata = record(root?.metadata) ?? {};
  return {
    file: root?.flavors?.onnx?.data ?? "model.onnx",
    columns: readColumns(inputs),
    tensors: readTensors(inputs),
    outputs: readTensors(readSide(root?.signature?.outputs, "outputs")),
    featureNames: stringList(metadata["feature_names"]),
    classNames: stringList(metadata["class_names"]),
    original: readOriginal(metadata),
  };
}
