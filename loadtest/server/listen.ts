// The page's HTTP server: how many may be connected and for how long they may take to say what they want,
// and which requests are none. What is let through here is an address that the routes read as it was sent.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { getRequestListener } from "@hono/node-server";
import type { SwarmReply } from "../api.ts";
import { isHost } from "./guard.ts";

/** Connections at once, and those of one address: it cannot take them all from the others. */
const mostConnections = 256;
const mostOfAddress = 64;
/** Requests on one connection whose replies have not been taken: thousands fit into one packet. */
const mostUnanswered = 16;

const times = {
  /** ms in which a request's head must be there, and all of it. The largest comes from beside the master. */
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  /** How often that is looked after, ms. */
  connectionsCheckingInterval: 1000,
};

/** Words, and dots within them: nothing that could be written in another way. Every route is like that. */
const path = /^\/(?:[\w-]+(?:\.[\w-]+)*(?:\/[\w-]+(?:\.[\w-]+)*)*)?(?:\?|$)/;

interface Refusal {
  status: 400 | 403 | 404;
  message: string;
}

function refusal({ url = "", headers, rawHeaders }: IncomingMessage): Refusal | null {
  const hosts = rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === "host");
  if (hosts.length > 1) return { status: 400, message: "The request has two Host headers." };
  const host = headers.host ?? "";
  if (!isHost(host)) {
    return { status: 403, message: `"${host}" is not a name of this load test.` };
  }
  if (!url.startsWith("/")) {
    return { status: 400, message: "The request asks for something that is not a path." };
  }
  return path.test(url) ? null : { status: 404, message: "There is nothing at this path." };
}

function refuse(response: ServerResponse, { status, message }: Refusal): void {
  const reply: SwarmReply = { success: false, message };
  // Whatever else it sends is not read.
  const headers = { "content-type": "application/json", connection: "close" };
  response.writeHead(status, headers).end(JSON.stringify(reply));
}

/** Serves an app, not listening yet. */
export function pageServer(app: { fetch: Parameters<typeof getRequestListener>[0] }): Server {
  const routes = getRequestListener(app.fetch);
  const unanswered = new WeakMap<Socket, number>();
  const server = createServer(times, (request, response) => {
    const { socket } = request;
    const count = (unanswered.get(socket) ?? 0) + 1;
    if (count > mostUnanswered) {
      socket.destroy();
      return;
    }
    unanswered.set(socket, count);
    response.once("close", () => {
      unanswered.set(socket, (unanswered.get(socket) ?? 1) - 1);
    });
    const refused = refusal(request);
    if (refused === null) void routes(request, response);
    else refuse(response, refused);
  });
  server.maxConnections = mostConnections;
  const connected = new Map<string, number>();
  server.on("connection", (socket) => {
    const { remoteAddress = "" } = socket;
    const count = (connected.get(remoteAddress) ?? 0) + 1;
    if (count > mostOfAddress) {
      socket.destroy();
      return;
    }
    connected.set(remoteAddress, count);
    socket.once("close", () => {
      const left = (connected.get(remoteAddress) ?? 1) - 1;
      if (left === 0) connected.delete(remoteAddress);
      else connected.set(remoteAddress, left);
    });
  });
  return server;
}
