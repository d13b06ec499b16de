import { once } from "node:events";
import {
  connect as connectHttp2,
  constants,
  type ClientHttp2Session,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from "node:http2";
import { connect, type AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { createServer } from "node:net";
import { Connection } from "./connection.ts";
import { StreamExchange } from "./request.ts";
import { drain } from "../server.ts";
import { testService } from "../testing.ts";
import { ERROR, FLAG, FRAME, frame, PREFACE, windowUpdate } from "./frame.ts";
import { writeField } from "./hpack.ts";
import {
  block,
  BODY,
  closeAll,
  data,
  knownClient,
  listen,
  type Listening,
  onEnd,
  open,
  Raw,
  SETOSA,
} from "./testing.ts";

afterEach(closeAll);

async function listening(
  ...given: Parameters<typeof listen>
): Promise<Listening & { session: ClientHttp2Session }> {
  const service = await listen(...given);
  return { ...service, session: knownClient(service.port) };
}

interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** A request of Node's own client, whose protocol is nghttp2's. */
async function ask(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body?: string | Buffer,
): Promise<Reply> {
  const stream = session.request(headers, { endStream: body === undefined });
  const replied = once(stream, "response") as Promise<
    [IncomingHttpHeaders & { ":status": number }]
  >;
  if (body !== undefined) stream.end(body);
  let text = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => (text += chunk));
  const [head] = await replied;
  if (!stream.readableEnded) await once(stream, "end");
  return { status: head[":status"], headers: head, text };
}

const PREDICT = { ":method": "POST", ":path": "/predict", "content-type": "application/json" };

describe("HTTP/2 with a known client", () => {
  test("answers what HTTP/1.1 answers, on the short way and on the routes", async () => {
    const { session, port } = await listening({ maxBody: "2kB" });
    const url = `http://127.0.0.1:${port}`;
    const bodies = [
      BODY,
      `[${BODY},${BODY}]`,
      "{",
      "[]",
      "",
      " ".repeat(3000),
      '{"sepal_length":1}',
    ];
    for (const path of ["/predict", "/predict?q=1", "/v2/models/iris/infer", "/nowhere"]) {
      // Which of two mistakes is told of is not the point.
      for (const body of path === "/nowhere" ? bodies.slice(0, 2) : bodies) {
        const headers = { "content-type": "application/json", "x-request-id": "me" };
        const old = await fetch(url + path, { method: "POST", headers, body });
        const reply = await ask(session, { ":method": "POST", ":path": path, ...headers }, body);
        expect([path, body, reply.status, reply.text]).toEqual([
          path,
          body,
          old.status,
          await old.text(),
        ]);
        expect(reply.headers["content-type"]).toBe(old.headers.get("content-type"));
        expect(reply.headers["x-request-id"]).toBe(old.headers.get("x-request-id"));
      }
    }
    for (const path of ["/healthz", "/readyz", "/model", "/openapi.json", "/docs", "/v2"]) {
      const old = await fetch(url + path);
      const reply = await ask(session, { ":path": path });
      expect([path, reply.status]).toEqual([path, old.status]);
      expect(reply.text.length).toBe((await old.text()).length);
    }
    const head = await ask(session, { ":method": "HEAD", ":path": "/healthz" });
    expect([head.status, head.text]).toEqual([200, ""]);
    expect((await ask(session, { ...PREDICT, "content-type": "text/plain" }, BODY)).status).toBe(
      415,
    );
  });

  test("answers hundreds at once, each its own, and more than it takes at once later", async () => {
    const { session } = await listening();
    // It has heard by then how many may be.
    await ask(session, PREDICT, BODY);
    const replies = await Promise.all(
      Array.from({ length: 500 }, async (_, i) => {
        const virginica = i % 2 === 1;
        const body = virginica ? { ...SETOSA, petal_length: 6, petal_width: 2.2 } : SETOSA;
        const id = `r${i}`;
        const headers = { ...PREDICT, "x-request-id": id };
        const reply = await ask(session, headers, JSON.stringify(body));
        expect(reply.headers["x-request-id"]).toBe(id);
        expect(reply.text).toContain(virginica ? "virginica" : "setosa");
        return reply.status;
      }),
    );
    expect(new Set(replies)).toEqual(new Set([200]));
  });

  test("understands whatever a client does to its headers", async () => {
    const { session } = await listening();
    // Long enough, and new and the same often enough, to be compressed, indexed and evicted.
    for (let i = 0; i < 300; i++) {
      const headers = {
        ...PREDICT,
        "x-request-id": `id-${i % 7}`,
        [`x-own-${i % 50}`]: "ä~!".repeat(i % 40) + String(i),
        cookie: [`a=${i}`, "b=2"],
        "user-agent": "a client of the test's own",
      };
      const reply = await ask(session, headers, BODY);
      expect([i, reply.status, reply.headers["x-request-id"]]).toEqual([i, 200, `id-${i % 7}`]);
    }
    const large = await ask(session, { ...PREDICT, "x-large": "y".repeat(12_000) }, BODY);
    expect(large.status).toBe(200);
  });

  test("reads bodies larger than a window, and sends replies larger than one", async () => {
    const { session } = await listening();
    const rows = JSON.stringify(Array.from({ length: 6000 }, () => SETOSA));
    expect(rows.length).toBeGreaterThan(400_000);
    const replies = await Promise.all([1, 2, 3].map(() => ask(session, PREDICT, rows)));
    for (const { status, text } of replies) {
      expect(status).toBe(200);
      expect(JSON.parse(text)).toHaveLength(6000);
    }
  });

  test("says of HEAD what GET would say, and hides no path behind a host", async () => {
    const { session } = await listening();
    const head = await ask(session, { ":method": "HEAD", ":path": "/healthz" });
    expect(head.headers["content-length"]).toBeUndefined();
    const hidden = await ask(session, { ":path": "/healthz", ":authority": "x/metrics?" });
    expect(hidden.status).toBe(400);
  });

  test("tells who waits with a large body to go on", async () => {
    const { session } = await listening();
    const stream = session.request({ ...PREDICT, expect: "100-continue" });
    await once(stream, "continue");
    stream.end(BODY);
    stream.resume();
    const [head] = (await once(stream, "response")) as [{ ":status": number }];
    expect(head[":status"]).toBe(200);
  });

  test("keeps a connection that is in use, and closes one that is not", async () => {
    const { services, app } = testService("iris");
    const { budget } = services;
    const options = {
      maxStreams: 9,
      maxBody: 1000,
      headerTimeout: 1000,
      requestTimeout: 1000,
      budget,
    };
    const server = createServer((socket) => {
      socket.once("data", (first: Buffer) => {
        const connection = new Connection(
          socket,
          first,
          { ...options, keepAlive: 200 },
          (stream, replies) => new StreamExchange(services, app.predict, stream, replies).start(),
        );
        const sweep = setInterval(() => {
          connection.sweep(performance.now());
        }, 50);
        socket.once("close", () => {
          clearInterval(sweep);
        });
      });
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    onEnd(() => server.close());
    const session = connectHttp2(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    session.on("error", () => undefined);
    onEnd(() => {
      session.destroy();
    });
    for (let i = 0; i < 30; i++) {
      expect((await ask(session, PREDICT, BODY)).status).toBe(200);
      await sleep(20);
    }
    expect(session.closed).toBe(false);
    await once(session, "close");
  });

  test("does not run the model for who has given up", async () => {
    const { session, services } = await listening();
    const before = await services.metrics.registry.metrics();
    const stream = session.request(PREDICT);
    stream.on("error", () => undefined);
    stream.write(BODY.slice(0, 10));
    await sleep(50);
    stream.close(constants.NGHTTP2_CANCEL);
    await sleep(100);
    const after = await services.metrics.registry.metrics();
    const runs = (text: string): string | undefined =>
      /inference_batch_rows_count (\d+)/.exec(text)?.[1];
    expect(runs(after)).toBe(runs(before));
    expect((await ask(session, PREDICT, BODY)).status).toBe(200);
  });

  test("ends after what is in flight when it drains, and says so", async () => {
    const { session, server, services } = await listening();
    await ask(session, PREDICT, BODY);
    const went = once(session, "goaway");
    const closed = once(session, "close");
    const slow = session.request(PREDICT);
    slow.write(BODY.slice(0, 5));
    await sleep(50);
    const drained = drain(server, services.state, { drainDelay: 50, grace: 10_000 });
    await went;
    const answered = once(slow, "response") as Promise<[{ ":status": number }]>;
    slow.end(BODY.slice(5));
    slow.resume();
    expect((await answered)[0][":status"]).toBe(200);
    await drained;
    await closed;
  });

  test("a body that never ends is answered 408, and headers that never end close the connection", async () => {
    const { session, port } = await listening({}, { headerTimeout: 500, requestTimeout: 700 });
    const stream = session.request(PREDICT);
    stream.write("{");
    const [head] = (await once(stream, "response")) as [{ ":status": number }];
    expect(head[":status"]).toBe(408);
    const silent = connect(port, "127.0.0.1");
    silent.write(PREFACE.subarray(0, 10));
    silent.resume();
    await once(silent, "close");
  });
});

describe("HTTP/2 with a client that breaks the rules", () => {
  test.each([
    ["a frame that is too large", frame(FRAME.data, 0, 1, Buffer.alloc(16_385)), ERROR.frameSize],
    ["data of no stream", frame(FRAME.data, 0, 0), ERROR.protocol],
    ["data of a stream that was never opened", data(5, "x"), ERROR.protocol],
    ["a stream of the server's", open(2), ERROR.protocol],
    ["a reset of no stream", frame(FRAME.reset, 0, 7, Buffer.alloc(4)), ERROR.protocol],
    ["a ping of another size", frame(FRAME.ping, 0, 0, Buffer.alloc(7)), ERROR.frameSize],
    ["a push", frame(FRAME.pushPromise, 0, 1, Buffer.alloc(4)), ERROR.protocol],
    ["settings of another size", frame(FRAME.settings, 0, 0, Buffer.alloc(5)), ERROR.frameSize],
    ["a window that overflows", windowUpdate(0, 2 ** 31 - 1), ERROR.flowControl],
    ["an entry that is in no table", frame(FRAME.headers, 4, 1, [0xff, 0x7f]), ERROR.compression],
    [
      "a number without an end",
      frame(FRAME.headers, 4, 1, [0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
      ERROR.compression,
    ],
    ["a text beyond its block", frame(FRAME.headers, 4, 1, [0x00, 0x7f]), ERROR.compression],
    [
      "headers that are interrupted",
      Buffer.concat([frame(FRAME.headers, 0, 1, block()), data(1, "x")]),
      ERROR.protocol,
    ],
    [
      "only padding",
      Buffer.concat([open(1), frame(FRAME.data, FLAG.padded, 1, [9, 0])]),
      ERROR.protocol,
    ],
    [
      "headers without an end",
      Buffer.concat([
        frame(FRAME.headers, 0, 1, block()),
        ...Array.from({ length: 9 }, () => frame(FRAME.continuation, 0, 1, Buffer.alloc(2000))),
      ]),
      ERROR.enhanceYourCalm,
    ],
    [
      "an entry of the table repeated until it fills memory",
      frame(
        FRAME.headers,
        FLAG.endHeaders,
        1,
        Buffer.concat([
          Buffer.from([0x40, 1, 0x61, 0x7f, 0xf1, 0x1d]),
          Buffer.alloc(3952, "b"),
          Buffer.alloc(10_000, 0xbe),
        ]),
      ),
      ERROR.compression,
    ],
  ])("%s ends the connection with its reason", async (_, bytes, error) => {
    const { port } = await listening();
    const raw = new Raw({ port });
    raw.socket.write(bytes);
    expect(await raw.goneWith()).toBe(error);
  });

  test.each([
    ["no path", { ":path": "" }],
    ["a field of the connection", { connection: "close" }],
    ["capitals", { "X-Own": "1" }],
    ["two paths", {}, Buffer.concat([block(), writeField(":path", "/other")])],
    ["a pseudo-header nobody knows", { ":own": "1" }],
    ["a length that is not the body's", { "content-length": "3" }],
  ])(
    "a request with %s is refused alone",
    async (_, over: Record<string, string>, whole?: Buffer) => {
      const { port } = await listening();
      const raw = new Raw({ port });
      const first = frame(FRAME.headers, FLAG.endHeaders, 1, whole ?? block(over));
      raw.socket.write(Buffer.concat([first, data(1, BODY), open(3), data(3, BODY)]));
      await expect
        .poll(() => raw.frames().some(({ type, id }) => type === FRAME.data && id === 3))
        .toBe(true);
      const refusal = raw.frames().find(({ type, id }) => type === FRAME.reset && id === 1);
      expect(refusal?.payload.readUInt32BE(0)).toBe(ERROR.protocol);
    },
  );

  test("more streams than may be are refused, and may be sent again", async () => {
    const { port } = await listening();
    const raw = new Raw({ port });
    for (let id = 1; id <= 1025; id += 2) raw.socket.write(open(id));
    raw.socket.write(data(1, BODY));
    await expect.poll(() => raw.frames().filter(({ type }) => type === FRAME.data).length).toBe(1);
    const refusals = raw.frames().filter(({ type }) => type === FRAME.reset);
    // As many as are announced are taken: 64.
    expect(refusals.map(({ id, payload }) => [id, payload.readUInt32BE(0)])).toEqual(
      Array.from({ length: 449 }, (_, i) => [129 + 2 * i, ERROR.refusedStream]),
    );
  });

  test("requests that are given up as soon as they are made end the connection", async () => {
    const { port } = await listening();
    const raw = new Raw({ port });
    // Fewer a second are what a gateway passes on of what strangers do: nobody else's requests end for it.
    for (let id = 1; id < 120_000; id += 2) {
      raw.socket.write(Buffer.concat([open(id), frame(FRAME.reset, 0, id, Buffer.alloc(4))]));
    }
    expect(await raw.goneWith()).toBe(ERROR.enhanceYourCalm);
  });

  test("so do requests that the client makes the server give up", async () => {
    const { port } = await listening();
    const raw = new Raw({ port });
    for (let id = 1; id < 4000; id += 2) {
      raw.socket.write(Buffer.concat([open(id), windowUpdate(id, 2 ** 31 - 1)]));
    }
    expect(await raw.goneWith()).toBe(ERROR.enhanceYourCalm);
  });

  test("so do requests that are none", async () => {
    const { port } = await listening();
    const raw = new Raw({ port });
    for (let id = 1; id < 4000; id += 2) raw.socket.write(open(id, { ":path": "" }));
    expect(await raw.goneWith()).toBe(ERROR.enhanceYourCalm);
  });

  test("bodies that are never whole have a limit over all requests", async () => {
    const { port, session } = await listening();
    const raw = new Raw({ port });
    const part = (id: number): Buffer => frame(FRAME.data, 0, id, Buffer.alloc(16_000, " "));
    for (let id = 1; id < 150; id += 2) {
      raw.socket.write(Buffer.concat([open(id), ...Array.from({ length: 60 }, () => part(id))]));
    }
    // Answered, though none of them is whole: with 503.
    const refused = (): boolean =>
      raw.frames().some(({ type, payload }) => type === FRAME.headers && payload.includes("503"));
    await expect.poll(refused, { timeout: 5000 }).toBe(true);
    raw.socket.destroy();
    expect((await ask(session, PREDICT, BODY)).status).toBe(200);
  });

  test("a body that falls behind is answered, and the others are not held up", async () => {
    const { port, session } = await listening();
    const raw = new Raw({ port });
    raw.socket.write(Buffer.concat([open(1), frame(FRAME.data, 0, 1, Buffer.alloc(8000, " "))]));
    const drip = setInterval(
      () => raw.socket.write(frame(FRAME.data, 0, 1, Buffer.from(" "))),
      100,
    );
    const refused = (): boolean =>
      raw.frames().some(({ type, payload }) => type === FRAME.headers && payload.includes("408"));
    await expect.poll(refused, { timeout: 20_000 }).toBe(true);
    clearInterval(drip);
    expect((await ask(session, PREDICT, BODY)).status).toBe(200);
    expect(raw.socket.closed).toBe(false);
  });

  test("who leaves and goes on asking is not listened to, and is closed at last", async () => {
    const { port, server } = await listening({}, { headerTimeout: 200, requestTimeout: 300 });
    const raw = new Raw({ port });
    raw.socket.write(frame(FRAME.goAway, 0, 0, Buffer.alloc(8)));
    const ping = frame(FRAME.ping, 0, 0, Buffer.alloc(8));
    const more = setInterval(() => raw.socket.write(ping), 5);
    await once(raw.socket, "close");
    clearInterval(more);
    const left = () =>
      new Promise((resolve) =>
        server.getConnections((_, n) => {
          resolve(n);
        }),
      );
    await expect.poll(left, { timeout: 5000 }).toBe(1);
  });

  test("a preface in pieces is one, and a silent connection is closed", async () => {
    const { port, server } = await listening({}, { headerTimeout: 300 });
    const socket = connect(port, "127.0.0.1");
    let bytes = Buffer.alloc(0);
    socket.on("data", (chunk: Buffer) => (bytes = Buffer.concat([bytes, chunk])));
    socket.setNoDelay(true);
    for (const byte of PREFACE) {
      socket.write(Buffer.from([byte]));
      await sleep(1);
    }
    await expect.poll(() => bytes[3]).toBe(FRAME.settings);
    socket.destroy();
    const silent = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    silent.resume();
    silent.on("error", () => undefined);
    onEnd(() => silent.destroy());
    const left = () =>
      new Promise((resolve) =>
        server.getConnections((_, n) => {
          resolve(n);
        }),
      );
    await expect.poll(left).toBe(2);
    // The session of Node's own client alone.
    await expect.poll(left, { timeout: 5000 }).toBe(1);
  });

  test("a client that reads nothing and asks for ever is given up", async () => {
    const { port, server } = await listening();
    const raw = new Raw({ port });
    raw.socket.pause();
    const ping = frame(FRAME.ping, 0, 0, Buffer.alloc(8));
    const many = Buffer.concat(Array.from({ length: 4000 }, () => ping));
    for (let i = 0; i < 15; i++) raw.socket.write(many);
    const left = () =>
      new Promise((resolve) => {
        server.getConnections((_, n) => {
          resolve(n);
        });
      });
    await expect.poll(left, { timeout: 10_000 }).toBe(0);
  });

  test("noise does no harm to others", async () => {
    const { session, port } = await listening();
    let seed = 1;
    const random = (): number => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647;
    const noise = Array.from({ length: 60 }, async () => {
      const raw = new Raw({ port });
      const bytes = Array.from({ length: 20 }, () =>
        frame(
          Math.floor(random() * 11),
          Math.floor(random() * 256),
          Math.floor(random() * 6),
          Buffer.from(
            Array.from({ length: Math.floor(random() * 40) }, () => Math.floor(random() * 256)),
          ),
        ),
      );
      raw.socket.write(Buffer.concat([open(1), ...bytes]));
      await sleep(20);
      raw.socket.destroy();
    });
    await Promise.all(noise);
    expect((await ask(session, PREDICT, BODY)).status).toBe(200);
  });
});
