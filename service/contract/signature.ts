import { parse } from "yaml";
import type { Dimension, ElementType, FieldKind } from "./types.ts";

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

/** MLflow's description of a model, as far as it says how to call it. */
export interface MLmodel {
  /** File with the ONNX model, within the folder. */
  readonly file: string;
  readonly columns: readonly Column[] | undefined;
  readonly tensors: readonly SignatureTensor[] | undefined;
  readonly outputs: readonly SignatureTensor[] | undefined;
  readonly featureNames: readonly string[] | undefined;
  readonly classNames: readonly string[] | undefined;
}

const COLUMN_KINDS: Readonly<Record<string, FieldKind>> = {
  boolean: "boolean",
  integer: "integer",
  long: "integer",
  float: "number",
  double: "number",
  string: "string",
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

/** Reads the text of an `MLmodel` file. Throws Error where it says something that cannot be served. */
export function parseMLmodel(text: string): MLmodel {
  const root = parse(text) as {
    flavors?: { onnx?: { data?: string } };
    signature?: { inputs?: unknown; outputs?: unknown };
    metadata?: Record<string, unknown>;
  } | null;
  const inputs = readSide(root?.signature?.inputs, "inputs");
  return {
    file: root?.flavors?.onnx?.data ?? "model.onnx",
    columns: readColumns(inputs),
    tensors: readTensors(inputs),
    outputs: readTensors(readSide(root?.signature?.outputs, "outputs")),
    featureNames: stringList(root?.metadata?.["feature_names"]),
    classNames: stringList(root?.metadata?.["class_names"]),
  };
}
