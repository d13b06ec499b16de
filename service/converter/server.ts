import { createReadStream } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import { pipeline } from "node:stream";
import { type Answer, answer } from "./api.ts";
import type { Catalogue } from "./catalogue.ts";

/** Replicas ask a few times a minute, and read a model once. */
const MOST_CONNECTIONS = 256;
const REQUEST_MS = 10_000;
/** The longest silence while a file is sent. */
const SILENCE_MS = 60_000;

/** Answers replicas; whether it has something to offer, at /healthz. */
export function createConverterServer(catalogue: () => Catalogue): Server {
  const server = createServer(
    { headersTimeout: REQUEST_MS, requestTimeout: REQUEST_MS, maxHeaderSize: 8192 },
    (request, reply) => {
      // Nobody has a body to send.
      request.resume();
      const { method, url = "/", headers } = request;
      const now = catalogue();
      if (method !== "GET") {
        send(reply, { status: 405, body: { message: "only GET is answered here" } });
      } else if (url === "/healthz") {
        const { offer, waiting } = now;
        const status = offer === undefined ? 503 : 200;
        send(reply, { status, body: { message: offer === undefined ? waiting : "ready" } });
      } else {
        answer(url, now).then(
          (said) => {
            send(reply, said, headers["if-none-match"]);
          },
          () => {
            send(reply, { status: 500, body: { message: "the model cannot be read here" } });
          },
        );
      }
    },
  );
  server.maxConnections = MOST_CONNECTIONS;
  server.setTimeout(SILENCE_MS);
  return server;
}

function send(reply: ServerResponse, said: Answer, known?: string): void {
  if ("file" in said) {
    reply.writeHead(200, {
      "content-type": "application/octet-stream",
      "content-length": said.size,
    });
    // Who breaks off, or is broken off, notices by the length.
    pipeline(createReadStream(said.file), reply, () => undefined);
    return;
  }
  const etag = said.etag === undefined ? {} : { etag: said.etag };
  if (said.etag !== undefined && said.etag === known) {
    reply.writeHead(304, etag).end();
    return;
  }
  const body = JSON.stringify(said.body);
  reply.writeHead(said.status, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    ...etag,
  });
  reply.end(body);
}
