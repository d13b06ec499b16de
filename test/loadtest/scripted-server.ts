// A server that delays each reply by script and records what it did: the truth a load test's
// numbers are held against. A process of its own; the parent asks over IPC.
import { createServer, type Socket } from "node:net";
import { tryAgent } from "../../loadtest/scenario/prepare.ts";
import { asked, at } from "./quantiles.ts";

/** Quantiles of how long the server held requests, in ms, and how many it answered. */
export interface Recorded {
  count: number;
  quantiles: Record<string, number>;
}

const reply = Buffer.from(
  'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 23\r\n\r\n{"prediction":"setosa"}',
);

// Evenly between 20 and 220 ms, always the same: every percentile then has as many requests around
// it as the others, and none is decided by the few that the machine itself held up.
let seed = 1;
function delay(): number {
  seed = (seed * 48_271) % 2_147_483_647;
  return 20 + 200 * (seed / 2_147_483_647);
}

/** What is sent, as a service would describe it. */
const description = JSON.stringify({
  paths: {
    "/predict": {
      post: {
        requestBody: {
          content: {
            "application/json": {
              schema: { type: "object", properties: { width: { type: "number" } } },
            },
          },
        },
      },
    },
  },
});

const held: number[] = [];

function serve(socket: Socket): void {
  socket.setNoDelay(true);
  socket.on("error", () => undefined);
  let expected = -1;
  let received = 0;
  socket.on("data", (chunk: Buffer) => {
    if (expected < 0) {
      // Asking for a description is not part of the load, nor is trying what will be sent.
      if (chunk.indexOf("GET /openapi.json") === 0) {
        const length = Buffer.byteLength(description);
        socket.end(`HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n${description}`);
        return;
      }
      if (chunk.indexOf(`user-agent: ${tryAgent}`) >= 0) {
        socket.end(reply);
        return;
      }
      const head = chunk.indexOf("\r\n\r\n");
      const length = /content-length: (\d+)/i.exec(chunk.toString("latin1", 0, head))?.[1] ?? "0";
      expected = head + 4 + Number(length);
      received = 0;
    }
    received += chunk.length;
    if (received < expected) return;
    expected = -1;
    const from = performance.now();
    setTimeout(() => {
      socket.write(reply);
      held.push(performance.now() - from);
    }, delay());
  });
}

const server = createServer(serve);
server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => {
  const address = server.address();
  process.send?.({ port: typeof address === "object" ? address?.port : 0 });
});
process.on("message", () => {
  const sorted = Float64Array.from(held).sort();
  const recorded: Recorded = {
    count: held.length,
    quantiles: Object.fromEntries(asked.map((q) => [q, at(sorted, q)])),
  };
  held.length = 0;
  process.send?.(recorded);
});
process.on("disconnect", () => process.exit(0));
