import { createServer, type IncomingMessage, type Server } from "node:http";
import type { Socket } from "node:net";
import { getRequestListener } from "@hono/node-server";
import type { App } from "./app.ts";
import { NodeExchange, type Operation, type Services } from "./exchange.ts";
import { problem, problemBody, PROBLEM_TYPE } from "./problem.ts";

export interface ServerOptions {
  /** ms a sender may take for its headers, and for the whole request. */
  readonly headerTimeout: number;
  readonly requestTimeout: number;
  readonly maxConnections: number;
}

/** ms an idle connection is kept: longer than a gateway keeps it, so that the gateway closes first. */
const KEEP_ALIVE_MS = 75_000;

const PARSER_PROBLEMS: Readonly<Record<string, [number, string]>> = {
  ERR_HTTP_REQUEST_TIMEOUT: [408, "The request came too slowly."],
  HPE_HEADER_OVERFLOW: [431, "The headers are larger than 16 kB."],
};

/** What Node's parser refuses never reaches a route; it gets the same kind of answer. */
function refuseUnparsed(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const [status, detail] = PARSER_PROBLEMS[error.code ?? ""] ?? [
    400,
    "The request is not valid HTTP.",
  ];
  const refusal = problem(status, detail);
  const body = problemBody(refusal);
  socket.end(
    `HTTP/1.1 ${status} ${refusal.title}\r\nContent-Type: ${PROBLEM_TYPE}\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

/**
 * The HTTP server. Hono has every route; the two operations that are called thousands of times a second
 * are taken before it when the path says exactly them, which leaves a fifth more of a core for the model.
 */
export function createHttpServer(app: App, services: Services, options: ServerOptions): Server {
  const inferPath = (): string => {
    const model = services.slot.current?.model;
    return model ? `/v2/models/${encodeURIComponent(model.name)}/infer` : "";
  };
  const direct = ({ method, url }: IncomingMessage): Operation | undefined => {
    if (method !== "POST") return undefined;
    if (url === "/predict") return app.predict;
    return url === inferPath() ? app.infer : undefined;
  };
  const routes = getRequestListener(app.fetch);
  const server = createServer(
    {
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: options.headerTimeout,
      requestTimeout: options.requestTimeout,
      connectionsCheckingInterval: 1000,
    },
    (incoming, outgoing) => {
      const operation = direct(incoming);
      if (operation) {
        new NodeExchange(services, operation, incoming, outgoing).start(services.maxBody);
      } else void routes(incoming, outgoing);
    },
  );
  server.maxConnections = options.maxConnections;
  server.on("clientError", refuseUnparsed);
  return server;
}

/**
 * Ends a server without losing a request: it goes on answering for `drainDelay` ms, while whoever
 * balances the load sees that it is not ready; then it takes no more connections, and settles when
 * the last reply is out, or after `grace` ms from the start.
 */
export async function drain(
  server: Server,
  state: Services["state"],
  timing: { drainDelay: number; grace: number },
): Promise<void> {
  state.draining = true;
  const end = performance.now() + timing.grace;
  await sleep(Math.min(timing.drainDelay, timing.grace));
  state.closing = true;
  const closed = new Promise<void>((resolve) =>
    server.close(() => {
      resolve();
    }),
  );
  const idle = setInterval(() => {
    server.closeIdleConnections();
  }, 50);
  await Promise.race([closed, sleep(Math.max(0, end - performance.now()))]);
  clearInterval(idle);
  server.closeAllConnections();
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
