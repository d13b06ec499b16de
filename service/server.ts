import { Server as Http1Server, type IncomingMessage, type ServerResponse } from "node:http";
import { Server as NetServer, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { getRequestListener } from "@hono/node-server";
import type { App } from "./app.ts";
import { NodeExchange, type Operation, type Services } from "./exchange.ts";
import { http2 } from "./http2/index.ts";
import {
  NOT_HTTP,
  OVERLOADED,
  problem,
  PROBLEM_TYPE,
  problemBody,
  TOO_SLOW,
  type Problem,
} from "./problem.ts";
import { PIPELINED_BYTES, REQUEST_BYTES } from "./unsent.ts";

export interface ServerOptions {
  /** ms a sender may take for its headers, and for the whole request. */
  readonly headerTimeout: number;
  readonly requestTimeout: number;
  readonly maxConnections: number;
  /** Whether HTTP/2 is spoken; it is unless told. */
  readonly http2?: boolean | undefined;
  /** Requests at once on one connection of HTTP/2. */
  readonly maxStreams: number;
}

/** What is spoken on the port beside HTTP/1.1; a client says so by the first that it sends. */
export interface Protocol {
  readonly preface: Buffer;
  /** @param first what has been read of the socket: the preface, or its beginning */
  speak(socket: Socket, first: Buffer): Session;
}

/** A connection on which another protocol is spoken. */
export interface Session {
  /** Takes no more requests, and closes after the last reply. */
  leave(): void;
  destroy(): void;
  /** Ends what took too long; called every second. */
  sweep(now: number): void;
}

/** ms an idle connection is kept: longer than a gateway keeps it, so that the gateway closes first. */
const KEEP_ALIVE_MS = 75_000;

const PARSER_PROBLEMS: Readonly<Record<string, Problem>> = {
  ERR_HTTP_REQUEST_TIMEOUT: TOO_SLOW,
  HPE_HEADER_OVERFLOW: problem(431, "The headers are larger than 16 kB."),
  HPE_INVALID_METHOD: problem(
    400,
    "The request is not valid HTTP: its method is none; methods are written in capitals.",
  ),
};
const NO_TUNNEL = problem(405, "This service takes no CONNECT: it is no proxy.", {
  headers: { Allow: "GET, HEAD, POST" },
});

/** Answers whoever did not get as far as a route, and ends the connection. */
function endWith(refusal: Problem, socket: Duplex): void {
  const body = problemBody(refusal);
  const more = Object.entries(refusal.headers ?? {}).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  socket.removeAllListeners("data");
  socket.on("error", () => socket.destroy());
  socket.resume();
  // Both sides have to close; who stays silent is not waited for.
  const late = setTimeout(() => socket.destroy(), 1000).unref();
  socket.once("close", () => {
    clearTimeout(late);
  });
  socket.end(
    `HTTP/1.1 ${refusal.status} ${refusal.title}\r\nContent-Type: ${PROBLEM_TYPE}\r\n${more.join("")}` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

/** What Node's parser refuses never reaches a route; it gets the same kind of answer. */
function refuseUnparsed(error: { code?: string | undefined }, socket: Duplex): void {
  if (!socket.writable || error.code === "ECONNRESET") socket.destroy();
  else endWith(PARSER_PROBLEMS[error.code ?? ""] ?? NOT_HTTP, socket);
}

/** There is no room for a request: it is told so, or its connection ends where that is not taken either. */
function refuseUnread(outgoing: ServerResponse): void {
  const { status, headers } = OVERLOADED;
  outgoing
    .writeHead(status, { ...headers, "Content-Type": PROBLEM_TYPE, Connection: "close" })
    .end(problemBody(OVERLOADED));
  setImmediate(() => {
    if (outgoing.writableLength > 0) outgoing.req.socket.destroy();
  });
}

/** What is told to Node's parser so that it parses no more: as for another protocol, whose bytes are not its. */
const NO_MORE = 2;

/**
 * Ends a connection at once, in the middle of what was read of it. Node would go on to parse the rest, and
 * hold all of that until it closes the sockets of this turn. (Its parser is no part of Node's public API.)
 */
function endUnparsed(socket: Socket & { parser?: { onIncoming: () => number } | null }): void {
  socket.destroy();
  if (socket.parser) socket.parser.onIncoming = () => NO_MORE;
}

/**
 * Listens for both versions: a connection that begins as HTTP/2 does, as a gateway's, is handled here, and
 * any other is Node's HTTP server's. Hono has every route; the two operations that are called thousands of
 * times a second are taken before it when the path says exactly them, which leaves a fifth more of a core
 * for the model.
 */
export class HttpServer extends NetServer {
  readonly #app: App;
  readonly #services: Services;
  readonly #options: ServerOptions;
  readonly #http1: Http1Server;
  readonly #protocols: Protocol[] = [];
  readonly #multiplexed = new Set<Session>();
  /** Connections on which nothing has come yet. */
  readonly #untold = new Set<Socket>();

  constructor(app: App, services: Services, options: ServerOptions) {
    // As Node's HTTP server has its own sockets.
    super({ allowHalfOpen: true, noDelay: true });
    this.#app = app;
    this.#services = services;
    this.#options = options;
    this.maxConnections = options.maxConnections;
    this.#http1 = this.#createHttp1();
    const direct = this.#direct.bind(this);
    const times = { ...options, keepAlive: KEEP_ALIVE_MS };
    if (options.http2 ?? true) this.#protocols.push(http2(app, services, direct, times));
    this.on("connection", (socket: Socket) => {
      this.#tell(socket);
    });
    const sweep = setInterval(() => {
      const now = performance.now();
      services.unsent.sweep(now);
      services.arriving.sweep(now);
      for (const connection of this.#multiplexed) connection.sweep(now);
    }, 1000).unref();
    this.once("close", () => {
      clearInterval(sweep);
    });
  }

  /** Every reply is the last of its connection from now on. */
  leaveAll(): void {
    for (const connection of this.#multiplexed) connection.leave();
    for (const socket of this.#untold) socket.destroy();
  }

  override close(callback?: (error?: Error) => void): this {
    this.#http1.close();
    return super.close(callback);
  }

  closeIdleConnections(): void {
    this.#http1.closeIdleConnections();
  }

  closeAllConnections(): void {
    this.#http1.closeAllConnections();
    for (const connection of this.#multiplexed) connection.destroy();
    for (const socket of this.#untold) socket.destroy();
  }

  #createHttp1(): Http1Server {
    const { headerTimeout, requestTimeout } = this.#options;
    const server = new Http1Server({
      keepAliveTimeout: KEEP_ALIVE_MS,
      headersTimeout: headerTimeout,
      requestTimeout,
      connectionsCheckingInterval: 1000,
    });
    const { unsent } = this.#services;
    const routes = getRequestListener(this.#app.fetch);
    server.on("request", (incoming: IncomingMessage, outgoing: ServerResponse) => {
      const operation = this.#direct(incoming.method, incoming.url);
      // Node hands over one behind another (pipelined) all that came at once: thousands, where they are short.
      const pipelined = outgoing.socket === null;
      const bytes = pipelined ? PIPELINED_BYTES : REQUEST_BYTES;
      if ((pipelined || !operation) && !unsent.expect(outgoing, bytes)) {
        if (pipelined) endUnparsed(incoming.socket);
        else refuseUnread(outgoing);
      } else if (operation) {
        new NodeExchange(this.#services, operation, incoming, outgoing).start();
      } else {
        void routes(incoming, outgoing).then(() => {
          if (outgoing.writableLength > 0) unsent.watch(outgoing);
        });
      }
    });
    // A wish for another protocol need not be granted; for a tunnel it has to be refused.
    server.on("connect", (_, socket) => {
      endWith(NO_TUNNEL, socket);
    });
    server.on("clientError", refuseUnparsed);
    // It listens to nothing itself, but begins to look after its timeouts only when it does.
    server.emit("listening");
    return server;
  }

  /** Tells protocols apart by the first that comes. */
  #tell(socket: Socket): void {
    const { headerTimeout } = this.#options;
    const tooSlow = setTimeout(() => {
      socket.off("data", onData);
      refuseUnparsed({ code: "ERR_HTTP_REQUEST_TIMEOUT" }, socket);
    }, headerTimeout).unref();
    const gone = (): void => {
      clearTimeout(tooSlow);
      this.#untold.delete(socket);
      socket.destroy();
    };
    let first: Buffer = Buffer.alloc(0);
    const onData = (chunk: Buffer): void => {
      first = first.length === 0 ? chunk : Buffer.concat([first, chunk]);
      const spoken = this.#protocols.find(({ preface }) => {
        const length = Math.min(first.length, preface.length);
        return preface.compare(first, 0, length, 0, length) === 0;
      });
      // The first letters may also be those of a method, as POST and PUT; three of them are not.
      if (spoken && first.length < 3) return;
      clearTimeout(tooSlow);
      this.#untold.delete(socket);
      socket.off("error", gone).off("end", gone).off("close", gone).off("data", onData);
      if (spoken) this.#speak(spoken, socket, first);
      else {
        socket.unshift(first);
        this.#http1.emit("connection", socket);
      }
    };
    this.#untold.add(socket);
    socket.once("error", gone).once("end", gone).once("close", gone).on("data", onData);
  }

  #speak(protocol: Protocol, socket: Socket, first: Buffer): void {
    const session = protocol.speak(socket, first);
    this.#multiplexed.add(session);
    socket.once("close", () => this.#multiplexed.delete(session));
    if (this.#services.state.closing) session.leave();
  }

  #direct(method: string | undefined, path: string | undefined): Operation | undefined {
    if (method !== "POST") return undefined;
    if (path === "/predict") return this.#app.predict;
    const model = this.#services.slot.current?.model;
    const inferPath = model ? `/v2/models/${encodeURIComponent(model.name)}/infer` : "";
    return path === inferPath ? this.#app.infer : undefined;
  }
}

/**
 * Ends a server without losing a request: it goes on answering for `drainDelay` ms, while whoever
 * balances the load sees that it is not ready; then it takes no more connections, and settles when
 * the last reply is out, or after `grace` ms from the start.
 */
export async function drain(
  server: HttpServer,
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
  server.leaveAll();
  const idle = setInterval(() => {
    server.closeIdleConnections();
  }, 50);
  await Promise.race([closed, sleep(Math.max(0, end - performance.now()))]);
  clearInterval(idle);
  server.closeAllConnections();
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
