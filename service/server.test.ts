import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createApp } from "./app.ts";
import { Budget } from "./budget.ts";
import type { Services } from "./exchange.ts";
import { drain, HttpServer, type ServerOptions } from "./server.ts";
import { testService, type TestService } from "./testing.ts";
import type { ServiceSettings } from "./settings.ts";
import { PIPELINED_BYTES, Unsent } from "./unsent.ts";

const SETOSA = { sepal_length: 5.1, sepal_width: 3.5, petal_length: 1.4, petal_width: 0.2 };
const JSON_HEADERS = { "content-type": "application/json" };

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

async function listening(
  settings: Partial<Record<keyof ServiceSettings, unknown>> = {},
  options: Partial<ServerOptions> = {},
  services?: Services,
): Promise<TestService & { url: string; port: number; server: HttpServer }> {
  const made = testService("iris", settings);
  const service = services ? { ...made, services, app: createApp(services) } : made;
  const server = new HttpServer(service.app, service.services, {
    headerTimeout: 10_000,
    requestTimeout: 30_000,
    maxConnections: 1000,
    maxStreams: 256,
    ...options,
  });
  closers.push(() => {
    server.close();
    server.closeAllConnections();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { ...service, server, port, url: `http://127.0.0.1:${port}` };
}

const post = (
  url: string,
  body: string,
  headers: Record<string, string> = JSON_HEADERS,
): Promise<Response> => fetch(url, { method: "POST", headers, body });

/** Everything a connection gives until it is closed. */
async function conversation(port: number, talk: (socket: Socket) => void): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
  socket.on("error", () => undefined);
  talk(socket);
  await once(socket, "close");
  return text;
}

describe("HTTP server", () => {
  it("answers on the short way what Hono's route answers", async () => {
    const { url, app } = await listening({ maxBody: "2kB", maxRows: 5 });
    const bodies = [
      SETOSA,
      [SETOSA, SETOSA],
      { ...SETOSA, x: 1 },
      [],
      5,
      null,
      [1],
      { sepal_length: null },
      Array.from({ length: 6 }, () => SETOSA),
    ].map((body) => JSON.stringify(body));
    const headers = [
      JSON_HEADERS,
      { "content-type": "text/plain" },
      { ...JSON_HEADERS, "content-encoding": "br" },
      { ...JSON_HEADERS, "x-request-id": "me" },
    ];
    for (const body of [...bodies, "{", "", "NaN", " ".repeat(3000)]) {
      for (const header of headers) {
        const direct = await post(`${url}/predict`, body, header);
        const routed = await app.request("/predict", { method: "POST", headers: header, body });
        const queried = await post(`${url}/predict?q=1`, body, header);
        const text = await direct.text();
        expect([direct.status, text]).toEqual([routed.status, await routed.text()]);
        expect([queried.status, await queried.text()]).toEqual([direct.status, text]);
        expect(direct.headers.get("content-type")).toBe(routed.headers.get("content-type"));
        expect(direct.headers.get("x-request-id")).toMatch(
          header === headers[3] ? /^me$/ : /^\w+-\w+$/,
        );
      }
    }
  });

  it("reads a body that comes in pieces, and stops at the limit", async () => {
    const { port } = await listening({ maxBody: "1kB" });
    const text = JSON.stringify(SETOSA);
    const chunked =
      "POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    const whole = await conversation(port, (socket) => {
      socket.write(chunked);
      for (const char of text) socket.write(`1\r\n${char}\r\n`);
      socket.write("0\r\n\r\n");
    });
    expect(whole).toMatch(/^HTTP\/1.1 200 OK[^]*setosa/);
    const large = await conversation(port, (socket) => {
      socket.write(chunked);
      for (let i = 0; i < 30; i++) socket.write(`64\r\n${" ".repeat(100)}\r\n`);
      socket.write("0\r\n\r\n");
    });
    expect(large).toMatch(/^HTTP\/1.1 413 /);
  });

  it("cuts slow senders off, with a reply", async () => {
    const { port } = await listening({}, { headerTimeout: 300, requestTimeout: 600 });
    const headers = await conversation(port, (socket) =>
      socket.write("POST /predict HTTP/1.1\r\nHost: a\r\n"),
    );
    expect(headers).toMatch(/^HTTP\/1.1 408 [^]*problem\+json/);
    const body = await conversation(port, (socket) =>
      socket.write(
        "POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{",
      ),
    );
    expect(body).toMatch(/^HTTP\/1.1 408 /);
  });

  it("answers what is not HTTP with a problem, never with a stack trace", async () => {
    const { port } = await listening();
    expect(await conversation(port, (socket) => socket.write("hello\r\n\r\n"))).toMatch(
      /^HTTP\/1.1 400 [^]*not valid HTTP/,
    );
    const header = `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(20_000)}\r\n\r\n`;
    expect(await conversation(port, (socket) => socket.write(header))).toMatch(/^HTTP\/1.1 431 /);
  });

  it("refuses a body that comes in crumbs, and holds nothing of it", async () => {
    const { port, services } = await listening();
    for (const target of ["/predict", "/predict?q=1"]) {
      const reply = await conversation(port, (socket) => {
        socket.write(
          `POST ${target} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`,
        );
        socket.write("1\r\n \r\n".repeat(5000));
      });
      expect(reply).toMatch(/^HTTP\/1.1 400 [^]*chunks of a few bytes/);
    }
    expect(services.budget.held).toBe(0);
  });

  it("answers 503 to a body for which there is no room, and 400 to one nested too deep", async () => {
    const { url, services } = await listening();
    const large = " ".repeat(500_000);
    expect(services.budget.take(0.7 * services.budget.most)).toBe(true);
    expect(services.budget.take(0.04 * services.budget.most)).toBe(true);
    const full = await post(`${url}/predict`, JSON.stringify(SETOSA) + large.repeat(2));
    expect([full.status, full.headers.get("retry-after")]).toEqual([503, "1"]);
    // What is there in one piece is still taken.
    expect((await post(`${url}/predict`, JSON.stringify(SETOSA))).status).toBe(200);
    services.budget.give(0.7 * services.budget.most);
    services.budget.give(0.04 * services.budget.most);
    const deep = await post(`${url}/predict`, "[".repeat(250_000) + "]".repeat(250_000));
    expect([deep.status, await deep.text()]).toEqual([
      400,
      expect.stringContaining("nested deeper than 64 levels") as string,
    ]);
    expect(services.budget.held).toBeCloseTo(0);
  });

  it("cuts off who asks for much and takes nothing, and holds nothing for him then", async () => {
    const service = testService("iris");
    const services = { ...service.services, unsent: new Unsent(service.services.budget, 500) };
    const { port } = await listening({}, {}, services);
    const rows = JSON.stringify(Array.from({ length: 10_000 }, () => SETOSA));
    const closed = Array.from({ length: 4 }, async () => {
      const socket = connect(port, "127.0.0.1");
      socket.on("error", () => undefined);
      socket.pause();
      const request = `POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${rows.length}\r\n\r\n${rows}`;
      socket.write(request.repeat(4));
      await expect.poll(() => services.unsent.count, { timeout: 30_000 }).toBeGreaterThan(0);
      await expect.poll(() => services.budget.held, { timeout: 30_000 }).toBe(0);
      socket.destroy();
    });
    await Promise.all(closed);
  });

  it("ends a connection with more requests behind each other than there is room for, and reads no more of it", async () => {
    const service = testService("iris");
    const budget = new Budget(40 * PIPELINED_BYTES);
    const services = { ...service.services, budget, unsent: new Unsent(budget, 500) };
    const asked = vi.spyOn(services.unsent, "expect");
    const { port } = await listening({}, {}, services);
    const few = await conversation(port, (socket) => {
      socket.write("GET /none HTTP/1.1\r\nHost: a\r\n\r\n".repeat(19));
      socket.write("GET /none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    });
    expect(few.match(/HTTP\/1.1 404/g)).toHaveLength(20);
    asked.mockClear();
    for (const request of ["GET /none", "POST /predict"]) {
      await conversation(port, (socket) => {
        socket.write(`${request} HTTP/1.1\r\nHost: a\r\n\r\n`.repeat(1500));
      });
    }
    // All of them are in what is read at once.
    expect(asked.mock.calls.length).toBeLessThan(200);
    await expect.poll(() => budget.held).toBe(0);
  });

  it("answers a body that falls behind before it is there, and reads one that comes at a pace", async () => {
    const { port } = await listening();
    const head = (length: number) =>
      `POST /predict HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`;
    let drip: NodeJS.Timeout | undefined;
    const slow = conversation(port, (socket) => {
      socket.write(`${head(900_000)}${"[".padEnd(8000)}`);
      drip = setInterval(() => socket.write(" "), 100);
    });
    const body = JSON.stringify(SETOSA);
    const steady = conversation(port, (socket) => {
      socket.write(`${head(body.length + 60_000)}${body}`);
      let parts = 0;
      const more = setInterval(() => {
        socket.write(" ".repeat(1000));
        if (++parts === 60) clearInterval(more);
      }, 100);
    });
    expect(await slow).toMatch(/^HTTP\/1.1 408 /);
    clearInterval(drip);
    expect(await steady).toMatch(/^HTTP\/1.1 200 /);
  });

  it("ignores a wish for another protocol, and refuses a tunnel and methods that are none", async () => {
    const { port } = await listening();
    const text = JSON.stringify(SETOSA);
    const h2c = await conversation(port, (socket) =>
      socket.write(
        `POST /predict HTTP/1.1\r\nHost: a\r\nConnection: close, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
      ),
    );
    expect(h2c).toMatch(/^HTTP\/1.1 200 [^]*setosa/);
    const tunnel = await conversation(port, (socket) =>
      socket.write("CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n"),
    );
    expect(tunnel).toMatch(/^HTTP\/1.1 405 [^]*Allow: GET, HEAD, POST/);
    const small = await conversation(port, (socket) =>
      socket.write("get /healthz HTTP/1.1\r\nHost: a\r\n\r\n"),
    );
    expect(small).toMatch(/^HTTP\/1.1 400 [^]*capitals/);
  });

  it("serves V2 on the short way, and passes strange targets to the routes", async () => {
    const { url, port } = await listening();
    const body = JSON.stringify({
      inputs: [{ name: "input", shape: [1, 4], datatype: "FP32", data: [5, 3, 1, 0.2] }],
    });
    expect((await post(`${url}/v2/models/iris/infer`, body)).status).toBe(200);
    expect((await post(`${url}/v2/models/iris/versions/1/infer`, body)).status).toBe(200);
    for (const target of ["//", "/%zz", "*", "/\\", "http://other/predict"]) {
      const reply = await conversation(port, (socket) =>
        socket.write(`GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`),
      );
      expect(reply).toMatch(/^HTTP\/1.1 4\d\d /);
    }
  });

  it("does not run the model for a client that has left", async () => {
    const { port, services, app } = await listening();
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    const text = JSON.stringify(SETOSA);
    const original = app.predict.handle.bind(app.predict);
    app.predict.handle = (body, exchange) => {
      original(body, exchange);
      Object.defineProperty(exchange, "abandoned", { value: () => true });
    };
    socket.write(
      `POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${text.length}\r\n\r\n${text}`,
    );
    await expect
      .poll(async () => services.metrics.registry.metrics())
      .toContain('inference_rejections_total{reason="abandoned"} 1');
    expect(services.budget.held).toBe(0);
    socket.destroy();
  });
});

describe("drain", () => {
  it("answers during the delay, finishes a request in progress, then closes", async () => {
    const { url, port, server, services } = await listening();
    const started = httpRequest({ port, path: "/predict", method: "POST", headers: JSON_HEADERS });
    const response = once(started, "response");
    const text = JSON.stringify(SETOSA);
    started.write(text.slice(0, 10));
    await new Promise((resolve) => setTimeout(resolve, 50));

    const finished = drain(server, services.state, { drainDelay: 2000, grace: 40_000 });
    const during = await post(`${url}/predict`, text);
    expect(during.status).toBe(200);
    expect((await fetch(`${url}/readyz`)).status).toBe(503);
    const refused = () =>
      post(`${url}/predict`, text).then(
        () => false,
        () => true,
      );
    await expect.poll(refused, { timeout: 30_000, interval: 50 }).toBe(true);
    started.end(text.slice(10));
    const [{ statusCode, headers }] = (await response) as [IncomingMessage];
    expect([statusCode, headers.connection]).toEqual([200, "close"]);
    started.destroy();
    await finished;
  });

  it("ends at the end of the grace time, whoever still holds a connection", async () => {
    const { port, server, services } = await listening();
    const stuck = conversation(port, (socket) => socket.write("POST /predict HTTP/1.1\r\n"));
    await new Promise((resolve) => setTimeout(resolve, 50));
    const start = performance.now();
    await drain(server, services.state, { drainDelay: 50, grace: 300 });
    // Long before anybody would have closed that connection.
    expect(performance.now() - start).toBeLessThan(8000);
    await stuck;
  });
});
