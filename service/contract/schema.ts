import { classKeys } from "./classes.ts";
import { exactJson } from "./decimal.ts";
import {
  jsonKind,
  type Classes,
  type Contract,
  type Dimension,
  type ElementType,
  type Field,
  type FieldKind,
  type Scalar,
  type TensorSpec,
} from "./types.ts";

/** A JSON schema (2020-12), as OpenAPI 3.1 uses it. */
export type Schema = Readonly<Record<string, unknown>>;

const FORMATS: Readonly<Partial<Record<ElementType, string>>> = {
  float32: "float",
  float64: "double",
  int32: "int32",
  int64: "int64",
};

/** A bound as JSON writes it: those of 64-bit integers do not survive as a double. */
const bound = (value: number | bigint | undefined): unknown =>
  typeof value === "bigint" ? exactJson(value) : value;

const arraysOf = (schema: Schema, shape: readonly Dimension[]): Schema =>
  shape.reduceRight<Schema>(
    (items, size) => ({
      type: "array",
      items,
      ...(size === null ? { minItems: 1 } : { minItems: size, maxItems: size }),
    }),
    schema,
  );

const bounds = ({ type, min, max }: Field): Schema => ({
  format: FORMATS[type],
  minimum: bound(min),
  maximum: bound(max),
});

/** What `accepts` in decode.ts takes, as a schema: the types, and what these do not say. */
const KINDS: Readonly<
  Record<FieldKind, { types: readonly string[]; more: (field: Field) => Schema }>
> = {
  number: { types: ["number"], more: bounds },
  integer: { types: ["integer"], more: bounds },
  boolean: { types: ["boolean", "integer"], more: () => ({ minimum: 0, maximum: 1 }) },
  string: { types: ["string"], more: () => ({ pattern: "^[^\\u0000]*$" }) },
  datetime: {
    types: ["string"],
    more: () => ({
      pattern: "^\\d{4}-\\d{2}-\\d{2}([T ]\\d{2}:\\d{2}(:\\d{2}([.,]\\d{1,9})?)?)?$",
      description:
        "A date, or a date and a time without a zone; or nanoseconds since 1970 as a whole number.",
      examples: ["2020-01-31T12:00:00"],
    }),
  },
};

function fieldSchema(field: Field): Schema {
  const { types, more } = KINDS[field.kind];
  const all = field.optional ? [...types, "null"] : types;
  const schema = arraysOf({ type: all.length === 1 ? all[0] : all, ...more(field) }, field.shape);
  return field.optional && field.shape.length > 0 ? { ...schema, type: ["array", "null"] } : schema;
}

/** One row of `POST /predict`. */
export const rowSchema = ({ fields, examples }: Contract): Schema => ({
  type: "object",
  properties: Object.fromEntries(fields.map((field) => [field.name, fieldSchema(field)])),
  required: fields.filter(({ optional }) => !optional).map(({ name }) => name),
  additionalProperties: false,
  ...(examples.length > 0 ? { examples } : {}),
});

/** An element of an output; what is no number comes as null, for JSON has no NaN. */
function elementSchema(type: ElementType): Schema {
  const kind = jsonKind(type);
  return { type: kind === "number" ? ["number", "null"] : kind };
}

function outputSchema({ type, shape }: TensorSpec): Schema {
  const inner = shape.slice(1);
  const scalar = shape.length === 1 || (inner.length === 1 && inner[0] === 1);
  if (scalar) return elementSchema(type);
  // The model does not say how many dimensions there are.
  if (shape.length === 0) return {};
  return inner.reduceRight<Schema>(
    (items, size) => ({
      type: "array",
      items,
      ...(size === null ? {} : { minItems: size, maxItems: size }),
    }),
    elementSchema(type),
  );
}

/** The result for one row. */
export function resultSchema({ outputs, classes }: Contract): Schema {
  const { label, probabilities } = classes ?? {};
  const properties = {
    ...(classes && label !== undefined ? labelSchema(outputs[label], classes) : {}),
    ...(classes && probabilities !== undefined
      ? { probabilities: probabilitiesSchema(outputs[probabilities], classes) }
      : {}),
    ...Object.fromEntries(
      outputs.flatMap((output, i) =>
        i === label || i === probabilities ? [] : [[output.name, outputSchema(output)]],
      ),
    ),
  };
  return { type: "object", properties, required: Object.keys(properties) };
}

function labelSchema(output: TensorSpec | undefined, { original, labels, names }: Classes): Schema {
  const known: readonly Scalar[] | undefined = original ?? labels;
  const kinds = [...new Set(original?.map((value) => typeof value))];
  return {
    label: {
      ...(kinds.length > 0 ? { type: kinds } : elementSchema(output?.type ?? "int64")),
      ...(known ? { enum: known } : {}),
    },
    ...(names ? { class: { type: "string", enum: names } } : {}),
  };
}

function probabilitiesSchema(output: TensorSpec | undefined, classes: Classes): Schema {
  const { original, labels } = classes;
  const count = output?.shape[1] ?? original?.length ?? labels?.length;
  const probability = { type: ["number", "null"] };
  if (count === undefined) return { type: "object", additionalProperties: probability };
  const keys = classKeys(classes, count);
  return {
    type: "object",
    properties: Object.fromEntries(keys.map((key) => [key, probability])),
    required: keys,
  };
}
