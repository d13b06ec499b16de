// Something to load: predictions after some milliseconds, one in fifty refused, and the figures
// that a replica of the service tells of itself.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

export interface Target {
  readonly port: number;
  readonly server: Server;
}

const limits = { cpus: 0.5, memory: 256 * 1024 * 1024 };

const row = { type: "object", properties: { sepal_length: { type: "number" } } };
const description = {
  paths: {
    "/predict": {
      post: { requestBody: { content: { "application/json": { schema: row } } } },
    },
  },
};

function metrics(): string {
  const { user, system } = process.cpuUsage();
  const periods = Math.floor(process.uptime() * 10);
  return [
    'inference_info{image="sha256:0f1e2d3c4b5a69788796a5b4c3d2e1f0"} 1',
    `inference_cpu_seconds_total ${(user + system) / 1e6}`,
    `inference_cpu_periods ${periods}`,
    `inference_cpu_throttled_periods ${Math.floor(periods / 8)}`,
    `inference_memory_bytes ${process.memoryUsage.rss()}`,
    `inference_limit_cpus ${limits.cpus}`,
    `inference_limit_memory_bytes ${limits.memory}`,
    "",
  ].join("\n");
}

export async function startTarget(): Promise<Target> {
  let count = 0;
  const server = createServer((request, response) => {
    request.resume();
    const reply = (status: number, body: string): void => {
      response.writeHead(status, { "content-type": "application/json" }).end(body);
    };
    if (request.url === "/metrics") reply(200, metrics());
    else if (request.url === "/openapi.json") reply(200, JSON.stringify(description));
    else if (request.url === "/model") reply(200, '{"name":"iris","version":"3"}');
    else if (request.url === "/predict") {
      count += 1;
      const refused = count % 50 === 0;
      setTimeout(
        () => {
          reply(refused ? 503 : 200, refused ? '{"title":"queue is full"}' : '{"predictions":[0]}');
        },
        4 + (count % 10),
      );
    } else reply(404, "{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: (server.address() as AddressInfo).port, server };
}
