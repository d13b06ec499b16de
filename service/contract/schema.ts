import {
  isFloat,
  type Contract,
  type Dimension,
  type ElementType,
  type Field,
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
  typeof value === "bigint"
    ? (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(String(value))
    : value;

const arraysOf = (schema: Schema, shape: readonly Dimension[]): Schema =>
  shape.reduceRight<Schema>(
    (items, size) => ({
      type: "array",
      items,
      ...(size === null ? { minItems: 1 } : { minItems: size, maxItems: size }),
    }),
    schema,
  );

function fieldSchema(field: Field): Schema {
  const { kind, type, min, max, optional } = field;
  const scalar: Schema = {
    type: optional && field.shape.length === 0 ? [kind, "null"] : kind,
    ...(kind === "number" || kind === "integer"
      ? { format: FORMATS[type], minimum: bound(min), maximum: bound(max) }
      : {}),
  };
  return arraysOf(scalar, field.shape);
}

/** One row of `POST /predict`. */
export const rowSchema = ({ fields }: Contract): Schema => ({
  type: "object",
  properties: Object.fromEntries(fields.map((field) => [field.name, fieldSchema(field)])),
  required: fields.filter(({ optional }) => !optional).map(({ name }) => name),
  additionalProperties: false,
});

/** An element of an output; what is no number comes as null, for JSON has no NaN. */
function elementSchema(type: ElementType): Schema {
  if (type === "string") return { type: "string" };
  if (type === "bool") return { type: "boolean" };
  return isFloat(type) ? { type: ["number", "null"] } : { type: "integer" };
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
  if (!classes) {
    return {
      type: "object",
      properties: Object.fromEntries(outputs.map((output) => [output.name, outputSchema(output)])),
      required: outputs.map(({ name }) => name),
    };
  }
  const keys = (classes.names ?? classes.labels)?.map(String);
  const probability = { type: ["number", "null"] };
  return {
    type: "object",
    properties: {
      label: {
        ...elementSchema(outputs[classes.label]?.type ?? "int64"),
        ...(classes.labels ? { enum: classes.labels } : {}),
      },
      ...(classes.names ? { class: { type: "string", enum: classes.names } } : {}),
      probabilities: keys
        ? {
            type: "object",
            properties: Object.fromEntries(keys.map((key) => [key, probability])),
            required: keys,
          }
        : { type: "array", items: probability },
    },
    required: ["label", ...(classes.names ? ["class"] : []), "probabilities"],
  };
}
