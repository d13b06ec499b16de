import type { IncomingMessage, ServerResponse } from "node:http";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { Hono, type Context } from "hono";
import {
  FetchExchange,
  NodeExchange,
  requestIdFrom,
  type Operation,
  type Services,
} from "./exchange.ts";
import { FAILED, problem } from "./problem.ts";
import { Infer } from "./routes/infer.ts";
import { Predict } from "./routes/predict.ts";
import { refuseAt, type Route } from "./routes/route.ts";
import { routeTable } from "./routes/table.ts";

/** The service's routes, and the operations that the server may call without them. */
export interface App {
  readonly fetch: (request: Request, env?: object) => Response | Promise<Response>;
  readonly request: Hono["request"];
  readonly predict: Operation;
  readonly infer: Operation;
  readonly routes: readonly Route[];
}

/** What Node's server hands on beside a request; nothing where it came another way. */
type Environment = Partial<{ incoming: IncomingMessage; outgoing: ServerResponse }> | undefined;

type Answer = (c: Context) => Response | Promise<Response>;

const NOT_FOUND = problem(404, "There is no such route. GET /docs lists those there are.");

/** Builds the routes without listening: `app.request()` is enough to test them. */
export function createApp(services: Services): App {
  const predict = new Predict(services);
  const infer = new Infer(services);
  const routes = routeTable(services, predict, infer);
  const app = new Hono();

  const paths = Map.groupBy(routes, ({ path }) => path);
  for (const [path, ofPath] of paths) {
    for (const route of ofPath) {
      const refuse = refuseAt(path);
      const answer =
        route.method === "POST"
          ? (c: Context) => exchange(services, route.operation, c)
          : counted(services, path, route.answer);
      app.on(route.method, path, (c) => {
        const wrong = route.check?.(c);
        return wrong ? counted(services, path, () => refuse(wrong))(c) : answer(c);
      });
    }
    const allowed = ofPath.map(({ method }) => (method === "GET" ? "GET, HEAD" : method));
    app.all(path, counted(services, path, notAllowed(path, allowed.join(", "))));
  }
  app.notFound(counted(services, "unmatched", (c) => refuseAt(c.req.path)(NOT_FOUND)));

  return {
    fetch: (request, env) => app.fetch(request, env),
    request: app.request,
    predict,
    infer,
    routes,
  };
}

/** An operation counts its requests itself, and reads a body that is Node's as Node has it. */
function exchange(
  services: Services,
  operation: Operation,
  c: Context,
): Response | Promise<Response> {
  const { incoming, outgoing } = (c.env as Environment) ?? {};
  if (!incoming || !outgoing) return new FetchExchange(services, operation, c.req.raw).start();
  new NodeExchange(services, operation, incoming, outgoing).start();
  return RESPONSE_ALREADY_SENT;
}

/** Counts and logs what `answer` answers, and answers itself where that fails. */
function counted({ metrics, access, log }: Services, path: string, answer: Answer): Answer {
  return async (c) => {
    const start = performance.now();
    const requestId = requestIdFrom(c.req.header("x-request-id"));
    let response: Response;
    try {
      response = await answer(c);
    } catch (error) {
      log.error({ err: error, requestId }, "a request failed");
      response = refuseAt(c.req.path)(FAILED);
    }
    response.headers.set("x-request-id", requestId);
    const { status } = response;
    // Paths that are not there are not told apart: they are whatever somebody makes up.
    const route = status === 404 ? "unmatched" : path;
    const ms = performance.now() - start;
    metrics.request(route, status, ms);
    if (access.wants(status)) {
      const traceparent = c.req.header("traceparent");
      access.write({ method: c.req.method, route, status, ms, requestId, traceparent });
    }
    return response;
  };
}

const notAllowed =
  (path: string, allowed: string): Answer =>
  () =>
    refuseAt(path)(
      problem(405, `This route takes ${allowed} only.`, { headers: { Allow: allowed } }),
    );
