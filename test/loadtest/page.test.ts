// The load test's page under attack: a master with a token, and callers who do not know it, or who do and
// send it nonsense.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createConnection, type AddressInfo, type Socket } from "node:net";
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { cluster, until, type Cluster } from "./processes.ts";

const MB = 1024 ** 2;
const token = "open sesame";
const known = `authorization: Bearer ${token}`;
const target = createServer((_, response) => response.writeHead(404).end());
let stack: Cluster;
let host: string;
beforeAll(async () => {
  // It describes nothing: no run starts by chance.
  await new Promise<void>((resolve) => target.listen(0, "127.0.0.1", resolve));
  stack = await cluster(`http://127.0.0.1:${(target.address() as AddressInfo).port}`, token);
  stack.startWorker();
  host = new URL(stack.url).host;
});
afterAll(() => {
  stack.end();
  target.close();
});
beforeEach(async () => {
  expect((await fetch(`${stack.url}/healthz`)).status).toBe(200);
});

/** Most memory that the master had so far, bytes. */
const peak = (): number =>
  Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${stack.masterPid}/status`, "utf8"))?.[1]) *
  1024;

const connect = (from = "127.0.0.1"): Socket => {
  const { hostname, port } = new URL(stack.url);
  const socket = createConnection({ host: hostname, port: Number(port), localAddress: from });
  socket.on("error", () => undefined);
  return socket;
};
const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    socket.on("data", () => undefined);
    socket.on("close", () => {
      resolve();
    });
  });

/** What comes first for a request as it stands; "" where the connection ends without a word. */
function raw(text: string, body?: () => Iterable<Buffer>): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect();
    socket.on("data", (chunk) => {
      resolve(chunk.toString("latin1"));
      socket.destroy();
    });
    socket.on("close", () => {
      resolve("");
    });
    socket.write(Buffer.from(text, "latin1"));
    if (body === undefined) return;
    const chunks = body()[Symbol.iterator]();
    const more = (): void => {
      for (;;) {
        const next = chunks.next();
        if (next.done === true || !socket.writable) return;
        if (!socket.write(next.value)) {
          socket.once("drain", more);
          return;
        }
      }
    };
    more();
  });
}
const status = (reply: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(reply)?.[1] ?? 0);
const head = (line: string, ...headers: string[]): string =>
  `${[`${line} HTTP/1.1`, ...headers].join("\r\n")}\r\n\r\n`;
const request = (line: string, ...headers: string[]): string =>
  head(line, "connection: close", ...headers);
const ask = async (line: string, ...headers: string[]): Promise<number> =>
  status(await raw(request(line, ...headers)));

function* megabytes(count: number): Generator<Buffer> {
  const one = Buffer.alloc(MB, "a=b&");
  for (let i = 0; i < count; i += 1) yield one;
}
function* chunked(parts: Iterable<Buffer>): Generator<Buffer> {
  for (const part of parts) {
    yield Buffer.from(`${part.length.toString(16)}\r\n`);
    yield part;
    yield Buffer.from("\r\n");
  }
}

test.each([
  ["to sign in", "POST /login", 413, []],
  ["to start a run, without the token", "POST /swarm", 401, []],
  ["to start a run", "POST /swarm", 413, [known]],
  ["to a route that has no use for one", "POST /stop", 413, [known]],
  ["to no route at all", "PUT /nowhere", 413, [known]],
  ["as the stack's command would, without its key", "POST /api/runs", 403, [known]],
  ["as the stack's command would not", "PUT /api/runs", 413, [known]],
])("eight bodies of 60 MB %s are not read", async (_, line, expected, headers) => {
  const before = peak();
  const form = ["content-type: application/x-www-form-urlencoded", `host: ${host}`, ...headers];
  const replies = await Promise.all(
    Array.from({ length: 8 }, (_, i) =>
      i % 2 === 0
        ? raw(head(line, ...form, `content-length: ${60 * MB}`), () => megabytes(60))
        : raw(head(line, ...form, "transfer-encoding: chunked"), () => chunked(megabytes(60))),
    ),
  );
  expect(replies.map(status)).toEqual(Array<number>(8).fill(expected));
  expect((peak() - before) / MB).toBeLessThan(48);
});

test("who sends slowly, or keeps all the connections that there are to be had, keeps nobody out and is cut off", async () => {
  const held = Array.from({ length: 600 }, (_, i) => {
    const socket = connect("127.0.0.2");
    const line = i % 3 === 0 ? "POST /login HTTP/1.1\r\n" : "";
    socket.write(`${line}${line && `host: ${host}\r\ncontent-length: 4000\r\n\r\ntoken=`}`);
    const drip = setInterval(() => socket.write("x"), 1000);
    socket.on("close", () => {
      clearInterval(drip);
    });
    return closed(socket);
  });
  const one = { method: "POST", body: new URLSearchParams({ token }) };
  for (let i = 0; i < 20; i += 1) {
    expect((await fetch(`${stack.url}/login`, one)).status).toBe(200);
  }
  await Promise.all(held);
});

test("a large body of the stack's own command finds room again when the one before it is done", async () => {
  // Bodies that end early give back what they had.
  for (let i = 0; i < 30; i += 1) {
    const socket = connect();
    socket.write(
      request("POST /swarm", `host: ${host}`, known, "content-length: 60000") + "user_count=1",
    );
    socket.end();
    await closed(socket);
  }
  const code = await fetch(`${stack.url}/swarm`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
    body: new URLSearchParams({ user_count: "x".repeat(60_000) }),
  });
  expect(code.status).toBe(400);
});

test("a stream of events that nobody can read is not begun", async () => {
  for (let i = 0; i < 150; i += 1) {
    expect(await ask("HEAD /api/events", `host: ${host}`, known)).toBe(200);
  }
  const events = await fetch(`${stack.url}/api/events`, {
    headers: { authorization: `Bearer ${token}` },
  });
  expect(events.status).toBe(200);
  await events.body?.cancel();
});

test("who asks for the page again and again, and reads none of it, costs little and is cut off", async () => {
  const before = peak();
  const asked = 1500;
  const all = `GET / HTTP/1.1\r\nhost: ${host}\r\n\r\n`.repeat(asked);
  const sockets = Array.from({ length: 16 }, () => {
    const socket = connect("127.0.0.3").pause();
    socket.write(all);
    return socket;
  });
  for (let i = 0; i < 20; i += 1) expect(await ask("GET /healthz", `host: ${host}`)).toBe(200);
  expect((peak() - before) / MB).toBeLessThan(192);
  const size = (await (await fetch(stack.url)).arrayBuffer()).byteLength;
  for (const socket of sockets) {
    let bytes = 0;
    socket.on("data", (chunk) => (bytes += chunk.length));
    socket.resume();
    await closed(socket);
    expect(bytes).toBeLessThan((asked / 10) * size);
  }
});

test.each([
  ["a cookie that is no text", "GET /stats/requests", ["cookie: loadtest_token=%E0%A4%A"], 401],
  ["a token that is none", "GET /stats/requests", ["authorization: Bearer \xff\xfe"], 401],
  ["a host that is no address", "GET /", ["host: 127.999.1.1"], 403],
  ["a host that is no address, a body with it", "POST /login", ["host: 127.999.1.1"], 403],
  ["a host with a user", "GET /", ["host: me@127.0.0.1"], 403],
  ["a host with half a bracket", "GET /", ["host: [::1"], 403],
  ["a host with no such port", "GET /", ["host: localhost:99999"], 403],
  ["a host of two", "GET /", ["host: a", "host: b"], 400],
  ["no host", "GET /", ["host:"], 403],
  ["a path that is no text", "GET /%E0%A4%A", [], 404],
  ["a path with an escape", "GET /stats%2frequests", [known], 404],
  ["a path by a detour", "GET /x/../stats/requests", [known], 404],
  ["a path with a backslash", "GET /stats\\requests", [known], 404],
  ["a path from outside", "GET http://127.0.0.1/stats/requests", [known], 400],
  ["no path", "OPTIONS *", [known], 400],
  ["a run whose name is no text", "GET /api/runs/%ff", [known], 404],
  ["a query that is no text", "POST /stop?now=%E0%A4%A&%", [known], 200],
  ["a method without a meaning here", "M-SEARCH /swarm", [known], 404],
  ["a loop", "TRACE /swarm", [known], 404],
])("%s", async (_, line, headers, expected) => {
  const hosts = headers.some((header) => header.startsWith("host")) ? [] : [`host: ${host}`];
  const body = line.startsWith("POST") ? ["content-length: 0"] : [];
  expect(await ask(line, ...hosts, ...headers, ...body)).toBe(expected);
});

test.each([
  ["JSON that is none", "application/json", '{"user_count":'],
  ["JSON that is no object", "application/json", "[1]"],
  ["JSON without an end", "application/json", "[".repeat(60_000)],
  ["JSON that is no text", "application/json", "\xff\xfe"],
  ["parts without a boundary", "multipart/form-data", "x"],
  ["parts without an end", "multipart/form-data; boundary=x", "--x\r\ncontent-disposition: form"],
  ["names of JavaScript's own", "application/json", '{"__proto__":{"users":"1"},"user_count":"x"}'],
  ["a form that is no text", "application/x-www-form-urlencoded", "user_count=%E0%A4%A"],
])("%s is a bad request", async (_, type, body) => {
  const start = request(
    "POST /swarm",
    ...[`host: ${host}`, known, `content-type: ${type}`, `content-length: ${body.length}`],
  );
  expect(status(await raw(start + body))).toBe(400);
});

test("whatever is sent, the master fails at nothing", async () => {
  const of = <T>(...values: T[]) => fc.constantFrom(...values);
  const odd = fc.oneof(
    of("", "%", "%E0%A4%A", "%00", "..", ".", "~", "\\", "é", "constructor", "__proto__", "'\"<"),
    fc.string({ maxLength: 12 }).map((text) => text.replaceAll(/[\s]/g, "_")),
  );
  const routes = [
    ...["/", "/login", "/swarm", "/stop", "/stats/reset", "/stats/requests", "/stats/report"],
    ...["/api/runs", "/api/runs/try", "/api/runs/x", "/api/runs/x/report", "/api/capacity"],
    ...["/api/state", "/logs", "/tasks", "/exceptions", "/metrics", "/stats/json", "/healthz"],
  ];
  const line = fc.oneof(
    of(...routes),
    fc.tuple(of(...routes), odd).map(([path, end]) => `${path}/${end}`),
    fc.tuple(of(...routes), odd, odd).map(([path, name, value]) => `${path}?${name}=${value}`),
    odd.map((text) => `/${text}`),
    odd,
  );
  const header = fc.oneof(
    odd.map((value) => `cookie: loadtest_token=${value}`),
    odd.map((value) => `host: ${value}`),
    odd.map((value) => `origin: ${value}`),
    odd.map((value) => `content-type: ${value}`),
    odd.map((value) => `authorization: ${value}`),
    of(
      ...["connection: upgrade\r\nupgrade: h2c", "expect: 100-continue", "expect: x", "te: gzip"],
      ...["content-type: application/json", "content-type: multipart/form-data; boundary=b"],
      ...["content-encoding: gzip", "transfer-encoding: gzip", "sec-fetch-site: x", "range: x"],
    ),
  );
  const number = of(
    "1",
    "-1",
    "1e9",
    "NaN",
    "1e999",
    "",
    "0x10",
    "1:1s,2",
    "p95<",
    ",",
    "9".repeat(400),
  );
  const field = of("user_count", "spawn_rate", "run_time", "rate", "think_time", "path", "host");
  const body = fc.oneof(
    of("", "{}", "[]", "null", "{", '{"user_count":{}}', "--b--", "--b\r\n\r\n\r\n--b--"),
    fc.tuple(field, fc.oneof(number, odd)).map(([name, value]) => `${name}=${value}`),
    fc
      .tuple(field, fc.oneof(number, odd))
      .map((pair) => JSON.stringify(Object.fromEntries([pair]))),
    fc.string({ maxLength: 40 }),
  );
  const method = of("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "SOURCE");
  await fc.assert(
    fc.asyncProperty(
      ...[method, line, fc.array(header, { maxLength: 3 }), body, fc.boolean()],
      async (verb, path, headers, text, asked) => {
        const bytes = Buffer.from(text);
        const own = headers.some((one) => one.startsWith("host")) ? [] : [`host: ${host}`];
        const start = request(
          `${verb} ${path}`,
          ...[...own, ...headers, ...(asked ? [known] : []), `content-length: ${bytes.length}`],
        );
        const reply = await raw(start, () => [bytes]);
        expect(status(reply), start + text).toBeLessThan(500);
      },
    ),
    { numRuns: 3000 },
  );
  await until(async () => (await fetch(`${stack.url}/healthz`)).ok);
});
