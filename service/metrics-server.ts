import { createServer, type Server } from "node:http";
import { problem, problemBody, PROBLEM_TYPE, type Problem } from "./problem.ts";

/** Who reads metrics is one or two, and quick: others need not be held. */
const MOST_CONNECTIONS = 32;
const PATIENCE_MS = 5000;

const NOT_FOUND = problem(404, "There is no such route. GET /metrics is the only one here.");
const NOT_ALLOWED = problem(405, "This route takes GET, HEAD only.", {
  headers: { Allow: "GET, HEAD" },
});

/**
 * `GET /metrics`, on a listener of its own: whatever is let through to the service's callers, and in
 * whatever spelling, does not come here.
 * @param exposition the measures of every process of the replica, asked for once for all who wait
 * @param type its content type
 */
export function createMetricsServer(exposition: () => Promise<string>, type: string): Server {
  let asked: Promise<string> | undefined;
  const once = (): Promise<string> =>
    (asked ??= exposition().finally(() => {
      asked = undefined;
    }));
  const server = createServer({
    headersTimeout: PATIENCE_MS,
    requestTimeout: PATIENCE_MS,
    keepAliveTimeout: PATIENCE_MS,
    connectionsCheckingInterval: 1000,
    maxHeaderSize: 8192,
  });
  server.maxConnections = MOST_CONNECTIONS;
  // Also who does not read what was asked for.
  server.setTimeout(PATIENCE_MS);
  server.on("request", ({ method, url }, outgoing) => {
    const refuse = (error: Problem): void => {
      outgoing
        .writeHead(error.status, { ...error.headers, "content-type": PROBLEM_TYPE })
        .end(problemBody(error));
    };
    const [path] = (url ?? "").split("?", 1);
    if (path !== "/metrics") refuse(NOT_FOUND);
    else if (method !== "GET" && method !== "HEAD") refuse(NOT_ALLOWED);
    else {
      once().then(
        (text) => outgoing.writeHead(200, { "content-type": type }).end(text),
        () => {
          refuse(problem(500, "The metrics cannot be read."));
        },
      );
    }
  });
  return server;
}
