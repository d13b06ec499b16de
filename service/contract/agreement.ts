import type { MLmodel, SignatureTensor } from "./signature.ts";
import {
  isFloat,
  jsonKind,
  shapeText,
  type Dimension,
  type ElementType,
  type TensorSpec,
} from "./types.ts";

export const mismatch = (signature: string, model: string): Error =>
  new Error(
    `The MLflow signature and the ONNX model disagree: the signature has ${signature}, ` +
      `the model has ${model}. Log the model again with the signature it was trained with.`,
  );

const tensorText = (tensor: SignatureTensor): string =>
  `${tensor.name === undefined ? "an unnamed tensor" : `tensor "${tensor.name}"`} of ${tensor.type} ${shapeText(tensor.shape)}`;

const sameSizes = (a: readonly Dimension[], b: readonly Dimension[]): boolean =>
  a.length === b.length &&
  a.every((size, d) => size === null || b[d] === null || b[d] === undefined || size === b[d]);

/** A signature's inputs against the model's, by name where both have names; a double may be narrowed. */
export function checkInputs(
  declared: readonly SignatureTensor[],
  actual: readonly TensorSpec[],
): void {
  if (declared.length !== actual.length) {
    throw mismatch(`${declared.length} inputs`, `${actual.length} inputs`);
  }
  declared.forEach((tensor, i) => {
    const other =
      tensor.name === undefined ? actual[i] : actual.find(({ name }) => name === tensor.name);
    const sameType =
      other?.type === tensor.type || (other && isFloat(other.type) && isFloat(tensor.type));
    if (sameType && sameSizes(other.shape, tensor.shape)) return;
    const found = other ?? actual[i];
    throw mismatch(`input ${tensorText(tensor)}`, found ? tensorText(found) : "none such");
  });
}

/** What a graph may have where a signature was inferred from what the original predicts. */
const GIVES: Readonly<Record<string, readonly string[]>> = {
  string: ["string"],
  // Converters number boolean classes, and whole numbers kept as floats.
  boolean: ["boolean", "integer"],
  integer: ["integer"],
  number: ["number", "integer"],
};

/** A column of one number a row is `[N]` to scikit-learn and `[N, 1]` to ONNX. */
const squeezed = (shape: readonly Dimension[]): readonly Dimension[] =>
  shape.length === 2 && shape[1] === 1 ? shape.slice(0, 1) : shape;

const gives = (output: TensorSpec, { type, shape }: SignatureTensor): boolean =>
  (GIVES[jsonKind(type)] ?? []).includes(jsonKind(output.type)) &&
  sameSizes(squeezed(output.shape), squeezed(shape));

/**
 * The outputs that replies are made of: those the signature names, or all. A signature may have fewer
 * than the graph, as one inferred from `model.predict(X)` has; what was converted here keeps all.
 * Throws Error where it has one that the graph has not.
 */
export function keptOutputs(
  outputs: readonly TensorSpec[],
  mlmodel: MLmodel | undefined,
): readonly TensorSpec[] {
  const declared = mlmodel?.outputs;
  if (!declared) return outputs;
  const left = new Set(outputs);
  for (const [i, tensor] of declared.entries()) {
    const found = [...left].find(
      (output) =>
        (tensor.name === undefined || tensor.name === output.name) && gives(output, tensor),
    );
    if (!found) {
      const other = outputs.find(({ name }) => name === tensor.name) ?? outputs[i];
      throw mismatch(`output ${tensorText(tensor)}`, other ? tensorText(other) : "none such");
    }
    left.delete(found);
  }
  return mlmodel.original || declared.length === 0
    ? outputs
    : outputs.filter((output) => !left.has(output));
}

/** Which kinds of column may feed a tensor: narrowing a double is usual, a text as a number is not. */
export function fits(kind: string, type: ElementType): boolean {
  if (kind === "datetime") return type === "string" || type === "int64" || isFloat(type);
  if (kind === "string" || type === "string") return kind === "string" && type === "string";
  if (kind === "boolean") return true;
  if (type === "bool") return false;
  return kind === "integer" || isFloat(type);
}
