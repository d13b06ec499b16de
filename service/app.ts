import { Hono, type Context } from "hono";
import { routePath } from "hono/route";
import { openApi } from "./contract/openapi.ts";
import { tensorMetadata } from "./contract/v2.ts";
import { FetchExchange, requestIdFrom, type Operation, type Services } from "./exchange.ts";
import { pointerOf, type LoadedModel } from "./model/model.ts";
import { FAILED, problem, problemBody, PROBLEM_TYPE, type Problem } from "./problem.ts";
import { docsFile, docsPage } from "./routes/docs.ts";
import { Infer, v2ErrorBody } from "./routes/infer.ts";
import { NO_MODEL } from "./routes/operation.ts";
import { Predict } from "./routes/predict.ts";

const DRAINING = problem(503, "The service is shutting down.");
const READ = "GET, HEAD";

/** The service's routes, and the operations that the server may call without them. */
export interface App {
  readonly fetch: (request: Request, env?: object) => Response | Promise<Response>;
  readonly request: Hono["request"];
  readonly predict: Operation;
  readonly infer: Operation;
}

const problemResponse = (error: Problem): Response =>
  new Response(problemBody(error), {
    status: error.status,
    headers: { ...error.headers, "content-type": PROBLEM_TYPE },
  });

const v2Response = (error: Problem): Response =>
  new Response(v2ErrorBody(error), {
    status: error.status,
    headers: { ...error.headers, "content-type": "application/json" },
  });

const describe = (model: LoadedModel): object => ({
  name: model.name,
  version: model.version,
  ...pointerOf(model),
  digest: model.digest,
  loadedAt: model.loadedAt.toISOString(),
});

/** Builds the routes without listening: `app.request()` is enough to test them. */
export function createApp(services: Services): App {
  const { slot, metrics, access, log, state } = services;
  const predict = new Predict(services);
  const infer = new Infer(services);
  const app = new Hono();

  app.use(async (c, next) => {
    const start = performance.now();
    const requestId = requestIdFrom(c.req.header("x-request-id"));
    await next();
    // An operation's exchange counts and logs itself.
    if (c.get(MEASURED as never)) return;
    c.header("x-request-id", requestId);
    const route = c.error || c.res.status === 404 ? "unmatched" : routePath(c);
    const { status } = c.res;
    const ms = performance.now() - start;
    metrics.request(route, status, ms);
    if (access.wants(status)) {
      const traceparent = c.req.header("traceparent");
      access.write({ method: c.req.method, route, status, ms, requestId, traceparent });
    }
  });

  const operation =
    (run: Operation) =>
    (c: Context): Promise<Response> => {
      c.set(MEASURED as never, true as never);
      return new FetchExchange(services, run, c.req.raw).start(services.maxBody);
    };
  const noModel = (): Problem => {
    const status = services.registry?.();
    const reason = status?.refused?.reason ?? status?.check?.reason;
    return reason === undefined
      ? NO_MODEL
      : { ...NO_MODEL, detail: `${NO_MODEL.detail ?? ""} The registry: ${reason}` };
  };
  /** Ready to answer, or why not. */
  const unready = (): Problem | undefined =>
    state.draining ? DRAINING : slot.current ? undefined : noModel();

  app.post("/predict", operation(predict));
  app.get("/healthz", (c) => c.json({ status: "alive" }));
  app.get("/readyz", (c) => {
    const reason = unready();
    return reason ? problemResponse(reason) : c.json({ status: "ready" });
  });
  app.get(
    "/metrics",
    async () =>
      new Response(await services.exposition(), {
        headers: { "content-type": metrics.registry.contentType },
      }),
  );
  app.get("/model", (c) => {
    const model = slot.current?.model;
    if (!model) return problemResponse(noModel());
    const { inputs, outputs, fields } = model.contract;
    const signature = {
      inputs: inputs.map(tensorMetadata),
      outputs: outputs.map(tensorMetadata),
      features: fields.map(({ name, kind, optional }) => ({ name, type: kind, optional })),
    };
    if (!services.registry) return c.json({ ...describe(model), signature, history: slot.history });
    const { origin, history, refused, check } = services.registry();
    return c.json({ ...describe(model), origin, signature, refused, check, history });
  });
  app.get("/openapi.json", () => {
    const model = slot.current?.model;
    if (!model) return problemResponse(NO_MODEL);
    return new Response(openApi(model, services.maxRows), {
      headers: { "content-type": "application/json" },
    });
  });
  app.get("/docs", docsPage);
  app.get("/docs/:file", (c) => docsFile(c.req.param("file")) ?? problemResponse(NOT_FOUND));

  app.get("/v2", (c) => c.json({ name: "inference-stack", version: "2", extensions: [] }));
  app.get("/v2/health/live", (c) => c.json({ live: true }));
  app.get("/v2/health/ready", (c) => {
    const reason = unready();
    return reason ? v2Response(reason) : c.json({ ready: true });
  });
  for (const base of ["/v2/models/:model", "/v2/models/:model/versions/:version"]) {
    /** The model in service if the path names it. */
    const find = (c: Context): LoadedModel | Problem => {
      const model = slot.current?.model;
      if (!model) return NO_MODEL;
      const version = c.req.param("version");
      return model.name === c.req.param("model") &&
        (version === undefined || version === model.version)
        ? model
        : problem(404, `Served is "${model.name}" in version ${model.version}.`);
    };
    const withModel =
      (answer: (c: Context, model: LoadedModel) => Response | Promise<Response>) =>
      (c: Context) => {
        const found = find(c);
        return "status" in found ? v2Response(found) : answer(c, found);
      };
    app.get(
      base,
      withModel((c, { name, version, contract }) =>
        c.json({
          name,
          versions: [version],
          platform: "onnxruntime_onnx",
          inputs: contract.inputs.map(tensorMetadata),
          outputs: contract.outputs.map(tensorMetadata),
        }),
      ),
    );
    app.get(
      `${base}/ready`,
      withModel((c, { name }) => {
        const reason = unready();
        return reason ? v2Response(reason) : c.json({ name, ready: true });
      }),
    );
    app.post(`${base}/infer`, withModel(operation(infer)));
    app.all(base, notAllowed(READ, v2Response));
    app.all(`${base}/ready`, notAllowed(READ, v2Response));
    app.all(`${base}/infer`, notAllowed("POST", v2Response));
  }
  for (const path of ["/v2", "/v2/health/live", "/v2/health/ready"]) {
    app.all(path, notAllowed(READ, v2Response));
  }
  for (const path of [
    "/healthz",
    "/readyz",
    "/metrics",
    "/model",
    "/openapi.json",
    "/docs",
    "/docs/:file",
  ]) {
    app.all(path, notAllowed(READ, problemResponse));
  }
  app.all("/predict", notAllowed("POST", problemResponse));

  app.notFound((c) =>
    c.req.path.startsWith("/v2/") ? v2Response(NOT_FOUND) : problemResponse(NOT_FOUND),
  );
  app.onError((error) => {
    log.error({ err: error }, "a request failed");
    return problemResponse(FAILED);
  });

  return { fetch: (request, env) => app.fetch(request, env), request: app.request, predict, infer };
}

const MEASURED = "measured";

const NOT_FOUND = problem(404, "There is no such route. GET /docs lists those there are.");

const notAllowed = (allowed: string, respond: (error: Problem) => Response) => (): Response =>
  respond(problem(405, `This route takes ${allowed} only.`, { headers: { Allow: allowed } }));
