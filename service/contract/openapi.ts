import { nanoseconds } from "./datetime.ts";
import { exactJson } from "./decimal.ts";
import { flatten } from "./decode.ts";
import { isV2, type Description, type Route } from "../routes/route.ts";
import { resultSchema, rowSchema, type Schema } from "./schema.ts";
import { array, object, ref, text } from "./schema-parts.ts";
import { elementCount, fieldsOf, type Contract, type Field, type Row } from "./types.ts";
import { tensorMetadata } from "./v2.ts";

interface Described {
  readonly name: string;
  readonly version: string;
  readonly contract: Contract;
}

const content = (schema: Schema, type = "application/json", more: Schema = {}): Schema => ({
  content: { [type]: { schema, ...more } },
});

const REQUEST_ID = {
  "X-Request-Id": { description: "The caller's id, or a new one.", schema: { type: "string" } },
};

const PROBLEMS: Readonly<Record<number, string>> = {
  400: "The body is not JSON",
  404: "Another model is served",
  405: "The route has other methods",
  408: "The request came too slowly",
  413: "The body or the array is too large",
  415: "The body is no JSON by its headers",
  422: "Fields are missing, unknown, of a wrong type or out of range",
  500: "The service failed",
  503: "No model, too much to do, no memory to spare, or shutting down",
};

/** What differs in a route's path, as this model has it. */
const pathOf = (path: string, { name, version }: Described): string =>
  path
    .replace(":model", () => encodeURIComponent(name))
    .replace(":version", () => encodeURIComponent(version));

/** A route as OpenAPI has it. */
function operation(path: string, description: Description, contract: Contract): Schema {
  const { id, tag, summary, request, reply, type, errors } = description;
  const error = isV2(path)
    ? content(ref("V2Error"))
    : content(ref("Problem"), "application/problem+json");
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(request
      ? {
          requestBody: {
            required: true,
            ...content(ref(request), "application/json", examples(request, contract)),
          },
        }
      : {}),
    responses: {
      200: { description: "OK", headers: REQUEST_ID, ...content(reply, type) },
      ...Object.fromEntries(
        errors.map((status) => [status, { description: PROBLEMS[status], ...error }]),
      ),
    },
  };
}

function examples(request: "PredictRequest" | "V2Request", contract: Contract): Schema {
  if (request === "V2Request") return { example: v2Example(contract) };
  const second = contract.examples[1] ?? contract.example;
  return {
    examples: {
      one: { summary: "One row", value: contract.example },
      many: { summary: "Two rows", value: [contract.example, second] },
    },
  };
}

/** A row's value as an element of its tensor. */
function element({ type }: Field, value: unknown): unknown {
  if (value === null || value === undefined) return type === "string" ? "" : null;
  if (type === "string" || type === "bool") return value;
  if (typeof value === "string") return exactJson(nanoseconds(value));
  return typeof value === "boolean" ? Number(value) : value;
}

/** The values of a field in a row, in order; each is missing where the row has none. */
const valuesOf = ({ shape }: Field, value: unknown): readonly unknown[] =>
  Array.isArray(value)
    ? flatten(value)
    : Array.from({ length: elementCount(shape.map((size) => size ?? 1)) }, () => value);

/** The documentation's row as an infer request. */
function v2Example(contract: Contract): Schema {
  return {
    inputs: contract.inputs.map((spec, i) => {
      const { name, datatype } = tensorMetadata(spec) as { name: string; datatype: string };
      const data = fieldsOf(contract, i).flatMap((field) =>
        valuesOf(field, contract.example[field.name]).map((value) => element(field, value)),
      );
      const shape = [1, ...sizesOf(contract.example, contract, i)];
      return { name, datatype, shape, data };
    }),
  };
}

/** The sizes of a row of input `i`: those that are free as the row has them. */
function sizesOf(row: Row, contract: Contract, i: number): number[] {
  const [field] = fieldsOf(contract, i);
  let value = field && field.shape.length > 0 ? row[field.name] : undefined;
  return (contract.inputs[i]?.shape ?? []).slice(1).map((size) => {
    const length = Array.isArray(value) ? value.length : 1;
    value = Array.isArray(value) ? (value as unknown[])[0] : undefined;
    return size ?? length;
  });
}

function schemas(contract: Contract, maxRows: number): Schema {
  const v2Tensor = object({
    name: text,
    datatype: text,
    shape: array({ type: "integer" }),
    data: { type: "array" },
  });
  const inputs = contract.inputs.map((spec) => {
    const { name, datatype } = tensorMetadata(spec) as { name: string; datatype: string };
    const sizes = spec.shape.map((size, d) => {
      const least = { type: "integer", minimum: 1 };
      return d === 0 || size === null ? least : { const: size };
    });
    return object({
      name: { const: name },
      datatype: { const: datatype },
      shape: {
        type: "array",
        prefixItems: sizes,
        minItems: sizes.length,
        maxItems: sizes.length,
        description: "Rows first. The product is the number of elements in data.",
      },
      data: { type: "array", description: "Elements in row-major order, flat or nested." },
    });
  });
  return {
    Row: rowSchema(contract),
    Result: resultSchema(contract),
    Problem: object(
      {
        type: text,
        title: text,
        status: { type: "integer" },
        detail: text,
        errors: array(object({ pointer: text, detail: text })),
      },
      ["type", "title", "status", "detail"],
    ),
    PredictRequest: {
      anyOf: [ref("Row"), { type: "array", items: ref("Row"), minItems: 1, maxItems: maxRows }],
    },
    PredictResponse: { anyOf: [ref("Result"), array(ref("Result"))] },
    V2Error: object({ error: text }),
    V2TensorMetadata: object({ name: text, datatype: text, shape: array({ type: "integer" }) }),
    V2Request: object(
      {
        id: text,
        inputs: {
          type: "array",
          items: { anyOf: inputs },
          minItems: inputs.length,
          maxItems: inputs.length,
        },
        outputs: array(object({ name: { enum: contract.outputs.map(({ name }) => name) } })),
      },
      ["inputs"],
    ),
    V2Response: object(
      { id: text, model_name: text, model_version: text, outputs: array(v2Tensor) },
      ["model_name", "model_version", "outputs"],
    ),
  };
}

/** The OpenAPI 3.1 document of the service with this model. */
export function openApi(model: Described, maxRows: number, routes: readonly Route[]): string {
  const paths = routes.flatMap(({ method, path, description }) =>
    description
      ? [
          [
            pathOf(path, model),
            { [method.toLowerCase()]: operation(path, description, model.contract) },
          ],
        ]
      : [],
  );
  return JSON.stringify({
    openapi: "3.1.0",
    info: {
      title: `${model.name} inference`,
      version: model.version,
      description: "Predictions of one model. Errors are problem details (RFC 9457).",
    },
    paths: Object.fromEntries(paths) as Schema,
    components: { schemas: schemas(model.contract, maxRows) },
  });
}
