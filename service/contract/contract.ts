import type { MLmodel, SignatureTensor } from "./signature.ts";
import {
  isFloat,
  RANGES,
  shapeText,
  type Classes,
  type Contract,
  type Field,
  type FieldKind,
  type RowsPerRun,
  type TensorSpec,
} from "./types.ts";

/** What is known about a model besides its tensors. */
export interface ModelFacts {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Lists of class labels found in the graph. */
  readonly classLabels: readonly (readonly (string | number)[])[];
  /** The model's own key-value metadata; `feature_names` and `class_names` are JSON lists there. */
  readonly metadata: ReadonlyMap<string, string>;
}

const SERVED_INPUTS = ["float32", "float64", "int32", "int64", "bool", "string"];

const kindOf = (type: TensorSpec["type"]): FieldKind =>
  type === "string" ? "string" : type === "bool" ? "boolean" : isFloat(type) ? "number" : "integer";

/** Which kinds of column may feed a tensor: narrowing a double is usual, a text as a number is not. */
function fits(kind: FieldKind, type: TensorSpec["type"]): boolean {
  if (kind === "string" || type === "string") return kind === "string" && type === "string";
  if (kind === "boolean") return true;
  if (type === "bool") return false;
  return kind === "integer" || isFloat(type);
}

const listed = (metadata: ReadonlyMap<string, string>, key: string): string[] | undefined => {
  try {
    const list: unknown = JSON.parse(metadata.get(key) ?? "");
    return Array.isArray(list) ? list.map(String) : undefined;
  } catch {
    return undefined;
  }
};

const mismatch = (signature: string, model: string): Error =>
  new Error(
    `The MLflow signature and the ONNX model disagree: the signature has ${signature}, ` +
      `the model has ${model}. Log the model again with the signature it was trained with.`,
  );

const tensorText = (tensor: SignatureTensor): string =>
  `${tensor.name === undefined ? "an unnamed tensor" : `tensor "${tensor.name}"`} of ${tensor.type} ${shapeText(tensor.shape)}`;

/** A signature's tensors against the model's, by name where both have names. */
function checkTensors(
  declared: readonly SignatureTensor[],
  actual: readonly TensorSpec[],
  side: string,
): void {
  if (declared.length !== actual.length) {
    throw mismatch(`${declared.length} ${side}`, `${actual.length} ${side}`);
  }
  declared.forEach((tensor, i) => {
    const other =
      tensor.name === undefined ? actual[i] : actual.find(({ name }) => name === tensor.name);
    const same =
      other?.type === tensor.type &&
      other.shape.length === tensor.shape.length &&
      other.shape.every(
        (size, d) => size === null || tensor.shape[d] === null || size === tensor.shape[d],
      );
    if (!same) {
      const found = other ?? actual[i];
      throw mismatch(
        `${side.slice(0, -1)} ${tensorText(tensor)}`,
        found ? tensorText(found) : "none such",
      );
    }
  });
}

function makeField(
  name: string,
  spec: TensorSpec,
  place: { input: number; column: number; shape: Field["shape"] },
  column: { kind: FieldKind; type: string; required: boolean } | undefined,
): Field {
  const kind = column?.kind ?? kindOf(spec.type);
  if (!fits(kind, spec.type)) {
    throw mismatch(`"${name}" as ${column?.type ?? kind}`, `"${spec.name}" of ${spec.type}`);
  }
  const numeric = kind === "number" || kind === "integer";
  const int32Column = column?.type === "integer" ? RANGES.int32 : undefined;
  const range =
    kind === "integer" && isFloat(spec.type) ? (int32Column ?? RANGES.int64) : RANGES[spec.type];
  return {
    name,
    kind,
    type: spec.type,
    min: numeric ? range?.[0] : undefined,
    max: numeric ? range?.[1] : undefined,
    optional: column?.required === false && (isFloat(spec.type) || spec.type === "string"),
    ...place,
  };
}

/** Fields of a model with one `[N, F]` input: a field is a column. */
function tabularFields(
  input: TensorSpec,
  width: number,
  mlmodel: MLmodel | undefined,
  facts: ModelFacts,
): Field[] {
  const columns = mlmodel?.columns;
  if (columns && columns.length !== width) {
    throw mismatch(
      `${columns.length} columns`,
      `${width} features in "${input.name}" ${shapeText(input.shape)}`,
    );
  }
  const given = [mlmodel?.featureNames, listed(facts.metadata, "feature_names")].find(
    (names) => names?.length === width,
  );
  return Array.from({ length: width }, (_, i) =>
    makeField(
      columns?.[i]?.name ?? given?.[i] ?? `feature_${i}`,
      input,
      { input: 0, column: i, shape: [] },
      columns?.[i],
    ),
  );
}

/** Fields of a model with several inputs, or one that is no table: a field is an input. */
function namedFields(inputs: readonly TensorSpec[], mlmodel: MLmodel | undefined): Field[] {
  const columns = mlmodel?.columns;
  if (columns) {
    const names = columns.map((column, i) => column.name ?? inputs[i]?.name ?? "");
    const same = names.length === inputs.length && inputs.every(({ name }) => names.includes(name));
    if (!same) {
      throw mismatch(
        `columns ${names.join(", ")}`,
        `inputs ${inputs.map(({ name }) => name).join(", ")}`,
      );
    }
  }
  return inputs.map((input, i) => {
    const perRow = input.shape.slice(1);
    const scalar = perRow.length === 0 || (perRow.length === 1 && perRow[0] === 1);
    return makeField(
      input.name,
      input,
      { input: i, column: 0, shape: scalar ? [] : perRow },
      columns?.find((column) => column.name === input.name) ?? columns?.[i],
    );
  });
}

/** A label output beside an output with one probability for each class. */
function findClasses(
  outputs: readonly TensorSpec[],
  facts: ModelFacts,
  mlmodel: MLmodel | undefined,
): Classes | undefined {
  if (outputs.length !== 2) return undefined;
  const label = outputs.findIndex(({ type, shape }) => {
    const single = shape.length === 1 || (shape.length === 2 && shape[1] === 1);
    return single && (type === "int64" || type === "int32" || type === "string");
  });
  const other = outputs[1 - label];
  if (label < 0 || other?.shape.length !== 2 || !isFloat(other.type)) return undefined;
  const declared = other.shape[1] ?? null;
  const labels = facts.classLabels.find((list) => declared === null || list.length === declared);
  const count = declared ?? labels?.length;
  const textual = outputs[label]?.type === "string";
  const names = textual
    ? undefined
    : [mlmodel?.classNames, listed(facts.metadata, "class_names")].find(
        (list) => list !== undefined && list.length === count,
      );
  return {
    label,
    probabilities: 1 - label,
    // Names without labels: the label is the place in the list, as converters number classes.
    labels: labels ?? names?.map((_, i) => i),
    names,
  };
}

/** A plausible value for the documentation. */
function exampleValue({ kind, shape }: Pick<Field, "kind" | "shape">): unknown {
  if (shape.length > 0) {
    const [size, ...rest] = shape;
    return Array.from({ length: size ?? 2 }, () => exampleValue({ kind, shape: rest }));
  }
  if (kind === "boolean") return true;
  if (kind === "string") return "text";
  return kind === "integer" ? 1 : 0.5;
}

/**
 * The contract of a model from its tensors and, where there is one, its MLflow description.
 * Throws Error naming both sides where they disagree, and where a tensor cannot be served.
 */
export function makeContract(facts: ModelFacts, mlmodel?: MLmodel): Contract {
  const { inputs, outputs } = facts;
  if (inputs.length === 0)
    throw new Error("The model has no inputs, so there is nothing to send it.");
  const unserved = inputs.find(({ type }) => !SERVED_INPUTS.includes(type));
  if (unserved) {
    throw new Error(
      `Input "${unserved.name}" is of ${unserved.type}; served are ${SERVED_INPUTS.join(", ")}.`,
    );
  }
  const scalar = inputs.find(({ shape }) => shape.length === 0);
  if (scalar) {
    throw new Error(
      `Input "${scalar.name}" is a scalar; every input needs a first dimension that counts rows.`,
    );
  }
  if (mlmodel?.tensors) checkTensors(mlmodel.tensors, inputs, "inputs");
  if (mlmodel?.outputs) checkTensors(mlmodel.outputs, outputs, "outputs");

  const [first] = inputs;
  const width =
    inputs.length === 1 && first?.shape.length === 2
      ? (first.shape[1] ?? mlmodel?.columns?.length ?? null)
      : null;
  const fields =
    first && width !== null
      ? tabularFields({ ...first, shape: [first.shape[0] ?? null, width] }, width, mlmodel, facts)
      : namedFields(inputs, mlmodel);
  const repeated = fields.find(({ name }, i) => fields.findIndex((f) => f.name === name) !== i);
  if (repeated) throw new Error(`The signature names "${repeated.name}" twice.`);

  const sizes = new Set(inputs.map(({ shape }) => shape[0] ?? null));
  const fixed = [...sizes].filter((size) => size !== null);
  if (fixed.length > 1) {
    throw new Error(
      `The inputs take different numbers of rows: ${inputs.map(({ name, shape }) => `${name} ${shapeText(shape)}`).join(", ")}.`,
    );
  }
  const rowsPerRun: RowsPerRun = fixed[0] ?? "any";
  return {
    inputs: inputs.map((input, i) =>
      i === 0 && width !== null ? { ...input, shape: [input.shape[0] ?? null, width] } : input,
    ),
    outputs,
    fields,
    classes: findClasses(outputs, facts, mlmodel),
    rowsPerRun,
    shareable: fields.every((field) => field.shape.every((size) => size !== null)),
    example: Object.fromEntries(fields.map((field) => [field.name, exampleValue(field)])),
  };
}
