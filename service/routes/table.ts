import type { Context } from "hono";
import { openApi } from "../contract/openapi.ts";
import { array, flag, object, ref, text } from "../contract/schema-parts.ts";
import { tensorMetadata } from "../contract/v2.ts";
import type { Operation, Services } from "../exchange.ts";
import type { LoadedModel } from "../model/model.ts";
import { problem, type Problem } from "../problem.ts";
import { DocsFiles, docsPage } from "./docs.ts";
import { noModel, unready } from "./health.ts";
import { MODEL_INFO, modelInfo } from "./model.ts";
import { JSON_MEDIA_TYPE, NO_MODEL } from "./operation.ts";
import { problemResponse, refuseAt, type Description, type Route } from "./route.ts";

const V2 = "Open Inference Protocol V2";
/** Of operations: what is wrong with a request before its content is looked at, and what goes wrong. */
const UNREAD = [408, 413, 415, 500, 503];

/** Every route of the service, with what OpenAPI says of it. */
export function routeTable(services: Services, predict: Operation, infer: Operation): Route[] {
  const { slot, budget } = services;
  const files = new DocsFiles(budget);
  /** What needs a model answers with why there is none, where there is none. */
  const withModel =
    (refusal: () => Problem, answer: (c: Context, model: LoadedModel) => Response) =>
    (c: Context): Response => {
      const model = slot.current?.model;
      return model ? answer(c, model) : refuseAt(c.req.path)(refusal());
    };
  const whenReady =
    (body: object) =>
    (c: Context): Response => {
      const reason = unready(services);
      return reason ? refuseAt(c.req.path)(reason) : c.json(body);
    };

  // Made once for each model: many may hold the same text.
  const documents = new WeakMap<LoadedModel, string>();
  const document = (model: LoadedModel): string => {
    const known = documents.get(model) ?? openApi(model, services.maxRows, table);
    documents.set(model, known);
    return known;
  };

  const table: Route[] = [
    {
      method: "POST",
      path: "/predict",
      operation: predict,
      description: {
        id: "predict",
        tag: "Predict",
        summary: "One row, or an array of rows, answered in kind",
        request: "PredictRequest",
        reply: ref("PredictResponse"),
        errors: [400, 422, ...UNREAD],
      },
    },
    {
      method: "GET",
      path: "/model",
      answer: withModel(
        () => noModel(services),
        (c, model) => c.json(modelInfo(services, model)),
      ),
      description: {
        id: "model",
        tag: "Model",
        summary: "What is being served",
        reply: MODEL_INFO,
        errors: [503],
      },
    },
    {
      method: "GET",
      path: "/healthz",
      answer: (c) => c.json({ status: "alive" }),
      description: health("healthz", "Is the process alive?", []),
    },
    {
      method: "GET",
      path: "/readyz",
      answer: whenReady({ status: "ready" }),
      description: health("readyz", "Does it take requests?", [503]),
    },
    {
      method: "GET",
      path: "/openapi.json",
      answer: withModel(
        () => NO_MODEL,
        (_, model) =>
          new Response(document(model), { headers: { "content-type": JSON_MEDIA_TYPE } }),
      ),
      description: {
        id: "openapi",
        tag: "Documentation",
        summary: "This document",
        reply: { type: "object" },
        errors: [503],
      },
    },
    {
      method: "GET",
      path: "/docs",
      answer: docsPage,
      description: {
        id: "docs",
        tag: "Documentation",
        summary: "This document as a page, to try",
        reply: text,
        type: "text/html",
        errors: [],
      },
    },
    {
      method: "GET",
      path: "/docs/:file",
      answer: async (c) => {
        const found = await files.response(c.req.param("file") ?? "", c.req.method === "HEAD");
        return found instanceof Response ? found : problemResponse(found);
      },
    },
    {
      method: "GET",
      path: "/v2",
      answer: (c) => c.json({ name: "inference-stack", version: "2", extensions: [] }),
      description: {
        id: "v2Server",
        tag: V2,
        summary: "The server",
        reply: object({ name: text, version: text, extensions: array(text) }),
        errors: [],
      },
    },
    {
      method: "GET",
      path: "/v2/health/live",
      answer: (c) => c.json({ live: true }),
      description: {
        id: "v2Live",
        tag: V2,
        summary: "Is it alive?",
        reply: object({ live: flag }),
        errors: [],
      },
    },
    {
      method: "GET",
      path: "/v2/health/ready",
      answer: whenReady({ ready: true }),
      description: {
        id: "v2Ready",
        tag: V2,
        summary: "Does it take requests?",
        reply: object({ ready: flag }),
        errors: [503],
      },
    },
    ...modelRoutes(services, infer, "/v2/models/:model", "Model"),
    ...modelRoutes(services, infer, "/v2/models/:model/versions/:version", "Version"),
  ];
  return table;
}

const health = (id: string, summary: string, errors: readonly number[]): Description => ({
  id,
  tag: "Health",
  summary,
  reply: object({ status: text }),
  errors,
});

/** The routes below a model's name, or its name and version. */
function modelRoutes(
  services: Services,
  infer: Operation,
  base: string,
  what: "Model" | "Version",
): Route[] {
  const { slot } = services;
  /** Another model than the one in service is not found. */
  const check = (c: Context): Problem | undefined => {
    const model = slot.current?.model;
    if (!model) return NO_MODEL;
    const version = c.req.param("version");
    return model.name === c.req.param("model") &&
      (version === undefined || version === model.version)
      ? undefined
      : problem(404, `Served is "${model.name}" in version ${model.version}.`);
  };
  return [
    {
      method: "GET",
      path: base,
      check,
      answer: (c) => {
        const { name, version, contract } = slot.current?.model as LoadedModel;
        return c.json({
          name,
          versions: [version],
          platform: "onnxruntime_onnx",
          inputs: contract.inputs.map(tensorMetadata),
          outputs: contract.outputs.map(tensorMetadata),
        });
      },
      description: {
        id: `v2${what}`,
        tag: V2,
        summary: what === "Model" ? "The model's tensors" : "A version's tensors",
        reply: object({
          name: text,
          versions: array(text),
          platform: text,
          inputs: array(ref("V2TensorMetadata")),
          outputs: array(ref("V2TensorMetadata")),
        }),
        errors: [404, 503],
      },
    },
    {
      method: "GET",
      path: `${base}/ready`,
      check: (c) => check(c) ?? unready(services),
      answer: (c) => c.json({ name: c.req.param("model"), ready: true }),
      description: {
        id: `v2${what}Ready`,
        tag: V2,
        summary: `Does the ${what === "Model" ? "model" : "version"} take requests?`,
        reply: object({ name: text, ready: flag }),
        errors: [404, 503],
      },
    },
    {
      method: "POST",
      path: `${base}/infer`,
      check,
      operation: infer,
      description: {
        id: what === "Model" ? "v2Infer" : "v2VersionInfer",
        tag: V2,
        summary: "Tensors in, tensors out",
        request: "V2Request",
        reply: ref("V2Response"),
        errors: [400, 404, ...UNREAD],
      },
    },
  ];
}
