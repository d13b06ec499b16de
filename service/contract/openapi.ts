import { nanoseconds } from "./datetime.ts";
import { exactJson } from "./decimal.ts";
import { flatten } from "./decode.ts";
import { resultSchema, rowSchema, type Schema } from "./schema.ts";
import { fieldsOf, type Contract, type Field, type Row } from "./types.ts";
import { tensorMetadata } from "./v2.ts";

interface Described {
  readonly name: string;
  readonly version: string;
  readonly contract: Contract;
}

const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });

const content = (schema: Schema, type = "application/json", more: Schema = {}): Schema => ({
  content: { [type]: { schema, ...more } },
});

const REQUEST_ID = {
  "X-Request-Id": { description: "The caller's id, or a new one.", schema: { type: "string" } },
};

const PROBLEMS: Readonly<Record<number, string>> = {
  400: "The body is not JSON",
  404: "No such route",
  405: "The route has other methods",
  408: "The request came too slowly",
  413: "The body or the array is too large",
  415: "The body is no JSON by its headers",
  422: "Fields are missing, unknown, of a wrong type or out of range",
  500: "The service failed",
  503: "No model, too much to do, or shutting down",
};

const problems = (...statuses: number[]): Schema =>
  Object.fromEntries(
    statuses.map((status) => [
      status,
      { description: PROBLEMS[status], ...content(ref("Problem"), "application/problem+json") },
    ]),
  );

const v2Errors = (...statuses: number[]): Schema =>
  Object.fromEntries(
    statuses.map((status) => [
      status,
      { description: PROBLEMS[status], ...content(ref("V2Error")) },
    ]),
  );

const get = (
  id: string,
  tag: string,
  summary: string,
  schema: Schema,
  others: Schema = {},
  type?: string,
): Schema => ({
  get: {
    operationId: id,
    tags: [tag],
    summary,
    responses: {
      200: { description: "OK", headers: REQUEST_ID, ...content(schema, type) },
      ...others,
    },
  },
});

const object = (properties: Schema, required = Object.keys(properties)): Schema => ({
  type: "object",
  properties,
  required,
});

const text = { type: "string" };
const time = { type: "string", format: "date-time" };
const flag = { type: "boolean" };
const list = (items: Schema): Schema => ({ type: "array", items });

function v2Paths(model: Described): Schema {
  const { contract } = model;
  const name = encodeURIComponent(model.name);
  const metadata = object({
    name: text,
    versions: list(text),
    platform: text,
    inputs: list(ref("V2TensorMetadata")),
    outputs: list(ref("V2TensorMetadata")),
  });
  const infer = (id: string): Schema => ({
    post: {
      operationId: id,
      tags: ["Open Inference Protocol V2"],
      summary: "Tensors in, tensors out",
      requestBody: {
        required: true,
        ...content(ref("V2Request"), "application/json", { example: v2Example(contract) }),
      },
      responses: {
        200: { description: "OK", headers: REQUEST_ID, ...content(ref("V2Response")) },
        ...v2Errors(400, 408, 413, 415, 500, 503),
      },
    },
  });
  const ready = object({ name: text, ready: flag });
  const tag = "Open Inference Protocol V2";
  const base = `/v2/models/${name}`;
  const versioned = `${base}/versions/${encodeURIComponent(model.version)}`;
  return {
    "/v2": get(
      "v2Server",
      tag,
      "The server",
      object({ name: text, version: text, extensions: list(text) }),
    ),
    "/v2/health/live": get("v2Live", tag, "Is it alive?", object({ live: flag })),
    "/v2/health/ready": get(
      "v2Ready",
      tag,
      "Does it take requests?",
      object({ ready: flag }),
      v2Errors(503),
    ),
    [base]: get("v2Model", tag, "The model's tensors", metadata, v2Errors(503)),
    [`${base}/ready`]: get(
      "v2ModelReady",
      tag,
      "Does the model take requests?",
      ready,
      v2Errors(503),
    ),
    [`${base}/infer`]: infer("v2Infer"),
    [versioned]: get("v2Version", tag, "A version's tensors", metadata, v2Errors(503)),
    [`${versioned}/ready`]: get(
      "v2VersionReady",
      tag,
      "Does this version take requests?",
      ready,
      v2Errors(503),
    ),
    [`${versioned}/infer`]: infer("v2VersionInfer"),
  };
}

/** A row's value as an element of its tensor. */
function element({ type }: Field, value: unknown): unknown {
  if (value === null || value === undefined) return type === "string" ? "" : null;
  if (type === "string" || type === "bool") return value;
  if (typeof value === "string") return exactJson(nanoseconds(value));
  return typeof value === "boolean" ? Number(value) : value;
}

/** The documentation's row as an infer request. */
function v2Example(contract: Contract): Schema {
  return {
    inputs: contract.inputs.map((spec, i) => {
      const { name, datatype } = tensorMetadata(spec) as { name: string; datatype: string };
      const data = fieldsOf(contract, i).flatMap((field) =>
        flatten(contract.example[field.name]).map((value) => element(field, value)),
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
    shape: list({ type: "integer" }),
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
        errors: list(object({ pointer: text, detail: text })),
      },
      ["type", "title", "status", "detail"],
    ),
    PredictRequest: {
      anyOf: [ref("Row"), { type: "array", items: ref("Row"), minItems: 1, maxItems: maxRows }],
    },
    PredictResponse: { anyOf: [ref("Result"), list(ref("Result"))] },
    V2Error: object({ error: text }),
    V2TensorMetadata: object({ name: text, datatype: text, shape: list({ type: "integer" }) }),
    V2Request: object(
      {
        id: text,
        inputs: {
          type: "array",
          items: { anyOf: inputs },
          minItems: inputs.length,
          maxItems: inputs.length,
        },
        outputs: list(object({ name: { enum: contract.outputs.map(({ name }) => name) } })),
      },
      ["inputs"],
    ),
    V2Response: object(
      { id: text, model_name: text, model_version: text, outputs: list(v2Tensor) },
      ["model_name", "model_version", "outputs"],
    ),
  };
}

/** The OpenAPI 3.1 document of the service with this model. */
export function openApi(model: Described, maxRows: number): string {
  const { contract } = model;
  const second = contract.examples[1] ?? contract.example;
  const modelInfo = {
    name: text,
    version: text,
    digest: text,
    loadedAt: time,
  };
  const stretch = object({ version: text, digest: text, from: time, until: time }, [
    "version",
    "digest",
    "from",
  ]);
  return JSON.stringify({
    openapi: "3.1.0",
    info: {
      title: `${model.name} inference`,
      version: model.version,
      description: "Predictions of one model. Errors are problem details (RFC 9457).",
    },
    paths: {
      "/predict": {
        post: {
          operationId: "predict",
          tags: ["Predict"],
          summary: "One row, or an array of rows, answered in kind",
          requestBody: {
            required: true,
            ...content(ref("PredictRequest"), "application/json", {
              examples: {
                one: { summary: "One row", value: contract.example },
                many: { summary: "Two rows", value: [contract.example, second] },
              },
            }),
          },
          responses: {
            200: {
              description: "The result, or one for every row",
              headers: REQUEST_ID,
              ...content(ref("PredictResponse")),
            },
            ...problems(400, 408, 413, 415, 422, 500, 503),
          },
        },
      },
      "/model": get(
        "model",
        "Model",
        "What is being served",
        object(
          {
            ...modelInfo,
            alias: text,
            stage: text,
            signature: { type: "object" },
            history: {
              ...list({ anyOf: [object(modelInfo), stretch] }),
              description: "What was served; with a registry each with when.",
            },
            origin: { enum: ["registry", "cache"] },
            refused: object({ version: text, reason: text, at: time }),
            check: object({ at: time, failures: { type: "integer", minimum: 0 }, reason: text }, [
              "at",
              "failures",
            ]),
          },
          [...Object.keys(modelInfo), "signature", "history"],
        ),
        problems(503),
      ),
      "/healthz": get("healthz", "Health", "Is the process alive?", object({ status: text })),
      "/readyz": get(
        "readyz",
        "Health",
        "Does it take requests?",
        object({ status: text }),
        problems(503),
      ),
      "/metrics": get("metrics", "Health", "Prometheus metrics", text, {}, "text/plain"),
      ...v2Paths(model),
    },
    components: { schemas: schemas(contract, maxRows) },
  });
}
