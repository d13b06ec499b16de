import { checkInputs, fits, keptOutputs, mismatch } from "./agreement.ts";
import { findClasses, keptClasses, namesIn } from "./classes.ts";
import type { MLmodel } from "./signature.ts";
import {
  holdsGaps,
  isFloat,
  jsonKind,
  RANGES,
  SERVED_TYPES,
  shapeText,
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
  /** Of each output's name: the lists of class labels that the graph has for it, most telling first. */
  readonly classLabels: ReadonlyMap<string, readonly (readonly (string | number)[])[] | "places">;
  /** Names of the outputs that were maps from class to probability. */
  readonly zipped: ReadonlySet<string>;
  /** The model's own key-value metadata; `feature_names` and `class_names` are JSON lists there. */
  readonly metadata: ReadonlyMap<string, string>;
}

function makeField(
  name: string,
  spec: TensorSpec,
  place: { input: number; column: number; shape: Field["shape"] },
  column: { kind: FieldKind; type: string; required: boolean } | undefined,
  mlmodel: MLmodel | undefined,
): Field {
  const known = mlmodel?.original?.columns.get(name);
  const kind = known?.kind ?? column?.kind ?? jsonKind(spec.type);
  // A conversion may read a column as text whatever it holds: it is written as Python does.
  if (!fits(kind, spec.type) && !(known && spec.type === "string")) {
    throw mismatch(`"${name}" as ${column?.type ?? kind}`, `"${spec.name}" of ${spec.type}`);
  }
  const numeric = kind === "number" || kind === "integer";
  const int32Column = column?.type === "integer" ? RANGES.int32 : undefined;
  const range =
    kind === "integer" && (isFloat(spec.type) || spec.type === "string")
      ? (int32Column ?? RANGES.int64)
      : (RANGES[spec.type] ?? RANGES.float64);
  const nullable = known?.nullable === true || column?.required === false;
  return {
    name,
    kind,
    type: spec.type,
    min: numeric ? range?.[0] : undefined,
    max: numeric ? range?.[1] : undefined,
    nullable,
    // What is not there has no size either.
    optional: nullable && holdsGaps(spec.type) && place.shape.every((size) => size !== null),
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
  const given = [mlmodel?.featureNames, namesIn(facts.metadata, "feature_names")].find(
    (names) => names?.length === width,
  );
  return Array.from({ length: width }, (_, i) =>
    makeField(
      columns?.[i]?.name ?? given?.[i] ?? (width === 1 ? input.name : `feature_${i}`),
      input,
      { input: 0, column: i, shape: [] },
      columns?.[i],
      mlmodel,
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
      mlmodel,
    );
  });
}

/** A plausible value for the documentation. */
function exampleValue({ kind, shape }: Pick<Field, "kind" | "shape">): unknown {
  if (shape.length > 0) {
    const [size, ...rest] = shape;
    return Array.from({ length: size ?? 2 }, () => exampleValue({ kind, shape: rest }));
  }
  if (kind === "boolean") return true;
  if (kind === "string") return "text";
  if (kind === "datetime") return "2020-01-31T12:00:00";
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
  const unserved = inputs.find(({ type }) => !SERVED_TYPES.input.includes(type));
  if (unserved) {
    throw new Error(
      `Input "${unserved.name}" is of ${unserved.type}; served are ${SERVED_TYPES.input.join(", ")}.`,
    );
  }
  const scalar = inputs.find(({ shape }) => shape.length === 0);
  if (scalar) {
    throw new Error(
      `Input "${scalar.name}" is a scalar; every input needs a first dimension that counts rows.`,
    );
  }
  if (mlmodel?.tensors) checkInputs(mlmodel.tensors, inputs);
  const kept = keptOutputs(outputs, mlmodel);

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
    outputs: kept,
    fields,
    classes: keptClasses(findClasses(facts, mlmodel), outputs, kept),
    rowsPerRun,
    shareable: fields.every((field) => field.shape.every((size) => size !== null)),
    examples: [],
    example: Object.fromEntries(fields.map((field) => [field.name, exampleValue(field)])),
  };
}
