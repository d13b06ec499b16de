// What a peer makes the process hold: all of it is counted, has an end, and is given back.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { Budget } from "../budget.ts";
import { ERROR, FLAG, FRAME, frame, PREFACE, SETTING, settings, windowUpdate } from "./frame.ts";
import { Gathering, Holding } from "../gathering.ts";
import { testModel } from "../testing.ts";
import { REQUEST_BYTES } from "../unsent.ts";
import { BODY, closeAll, data, get, listen, onEnd, open, Raw, resetBy } from "./testing.ts";

afterEach(closeAll);

const noWindow = Buffer.concat([PREFACE, settings([[SETTING.initialWindowSize, 0]])]);
const PIECE = 64 * 1024;

/** A reply without an end, and what became of it. */
function endless() {
  const seen = { pieces: 0, cancelled: false, signal: undefined as AbortSignal | undefined };
  const fetch = (request: Request): Response => {
    seen.signal = request.signal;
    const body = new ReadableStream<Uint8Array>(
      {
        pull: (controller) => {
          seen.pieces++;
          controller.enqueue(new Uint8Array(PIECE));
        },
        cancel: () => {
          seen.cancelled = true;
        },
      },
      { highWaterMark: 0 },
    );
    return new Response(body);
  };
  return { seen, fetch };
}

describe("replies", () => {
  test("are read as the peer takes them, and no longer than it wants them", async () => {
    const { seen, fetch } = endless();
    const { port, services } = await listen({}, {}, fetch);
    const raw = new Raw({ port }, noWindow);
    raw.socket.write(get(1, "/large"));
    await expect.poll(() => raw.frames(FRAME.headers).length).toBe(1);
    // One to see that it is no small one.
    expect(seen.pieces).toBe(1);
    expect(services.budget.held).toBeGreaterThanOrEqual(PIECE);
    const taken = (): number =>
      raw.frames(FRAME.data).reduce((n, { payload }) => n + payload.length, 0);
    for (let i = 1; i <= 4; i++) {
      raw.socket.write(Buffer.concat([windowUpdate(0, PIECE), windowUpdate(1, PIECE)]));
      await expect.poll(taken).toBe(i * PIECE);
      expect(seen.pieces).toBeLessThanOrEqual(i + 1);
    }
    expect(seen.signal?.aborted).toBe(false);
    raw.socket.write(resetBy(1));
    await expect.poll(() => seen.cancelled).toBe(true);
    expect(seen.signal?.aborted).toBe(true);
    // What it is known by when it comes again.
    await expect.poll(() => services.budget.held).toBeLessThan(2000);
    raw.socket.destroy();
    await expect.poll(() => services.budget.held).toBe(0);
  });

  test("tell whoever makes them that nobody waits any more", async () => {
    let signal: AbortSignal | undefined;
    const never = (request: Request): Promise<Response> => {
      ({ signal } = request);
      return new Promise(() => undefined);
    };
    for (const leave of [
      (raw: Raw) => raw.socket.write(resetBy(1)),
      (raw: Raw) => raw.socket.destroy(),
    ]) {
      signal = undefined;
      const raw = new Raw(await listen({}, {}, never));
      raw.socket.write(get(1, "/slow"));
      await expect.poll(() => signal?.aborted).toBe(false);
      leave(raw);
      await expect.poll(() => signal?.aborted).toBe(true);
    }
  });

  test("for which there is no memory are refused, and those that are not taken end alone", async () => {
    const { fetch } = endless();
    const { port, services } = await listen({}, { headerTimeout: 700, requestTimeout: 700 }, fetch);
    const { budget } = services;
    const raw = new Raw({ port }, noWindow);
    raw.socket.write(get(1, "/large"));
    await expect.poll(() => raw.frames(FRAME.headers).length).toBe(1);
    let filled = 0;
    while (budget.take(1024)) filled += 1024;
    raw.socket.write(get(3, "/large"));
    await expect.poll(() => raw.frames(FRAME.headers).length).toBe(2);
    const [, refusal] = raw.frames(FRAME.headers);
    expect(refusal?.payload.toString("latin1")).toContain("503");
    budget.give(filled);
    await expect.poll(() => raw.resetWith(1), { timeout: 5000 }).toBe(ERROR.cancel);
    expect(raw.socket.closed).toBe(false);
    raw.socket.destroy();
    await expect.poll(() => budget.held).toBe(0);
  });

  test("that a peer does not take off its connection end it where there is no memory", async () => {
    const { fetch } = endless();
    const { port, services } = await listen({}, {}, fetch);
    const silent = async (): Promise<Socket> => {
      const socket = connect(port, "127.0.0.1");
      socket.on("error", () => undefined);
      onEnd(() => socket.destroy());
      await once(socket, "connect");
      socket.pause();
      const wide = settings([[SETTING.initialWindowSize, 2 ** 31 - 1]]);
      socket.write(Buffer.concat([PREFACE, wide, windowUpdate(0, 2 ** 30), get(1, "/large")]));
      return socket;
    };
    await silent();
    // No more than a part of it waits, however wide the window is.
    await expect.poll(() => services.budget.held).toBeGreaterThan(200_000);
    const held = services.budget.held;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(services.budget.held).toBeLessThan(held + 256 * 1024);
  });
});

describe("bodies", () => {
  test("for which there is no memory are answered 503, and others go on", async () => {
    const { port, services } = await listen();
    const { budget } = services;
    const raw = new Raw({ port });
    raw.socket.write(Buffer.concat([open(1), data(1, BODY.slice(0, 9), false)]));
    await expect.poll(() => budget.held).toBeGreaterThan(0);
    let filled = 0;
    while (budget.take(64)) filled += 64;
    raw.socket.write(data(1, Buffer.alloc(9000, " "), false));
    await expect.poll(() => raw.frames(FRAME.headers).length).toBe(1);
    const [refusal] = raw.frames(FRAME.headers);
    expect(refusal?.payload.toString("latin1")).toMatch(/503/);
    expect(raw.frames(FRAME.data)[0]?.payload.toString()).toContain("no memory to spare");
    raw.socket.write(Buffer.concat([open(3), data(3, BODY)]));
    await expect.poll(() => raw.answered()).toContain(3);
    budget.give(filled);
    raw.socket.destroy();
    await expect.poll(() => budget.held).toBe(0);
  });

  test.each([
    ["given up", resetBy(1)],
    ["whole", data(1, BODY.slice(9))],
    ["broken off", Buffer.from("not a frame of HTTP/2, whatever it is")],
  ])("that are %s are held no longer", async (_, end) => {
    const { port, services } = await listen();
    const raw = new Raw({ port });
    raw.socket.write(Buffer.concat([open(1), data(1, BODY.slice(0, 9), false)]));
    await expect.poll(() => services.budget.held).toBeGreaterThan(0);
    raw.socket.write(end);
    if (end.includes("whole")) await expect.poll(() => raw.answered()).toEqual([1]);
    raw.socket.destroy();
    await expect.poll(() => services.budget.held).toBe(0);
  });

  test("cost what they are, however small their pieces", () => {
    const budget = new Budget(1024 ** 2);
    const gathering = new Gathering(new Holding(budget));
    const byte = Buffer.from("x");
    for (let i = 0; i < 100_000; i++) expect(gathering.add(byte)).toBe(true);
    expect(budget.held).toBeLessThan(2 * 100_000 + 1024);
    expect(gathering.take().equals(Buffer.alloc(100_000, "x"))).toBe(true);
    expect(budget.held).toBe(0);
  });
});

test("requests that are given up run no model, and end nobody's connection", async () => {
  const { port, services } = await listen();
  const raw = new Raw({ port });
  for (let id = 1; id < 6000; id += 2) {
    raw.socket.write(Buffer.concat([open(id), data(id, BODY), resetBy(id)]));
  }
  raw.socket.write(Buffer.concat([open(6001), data(6001, BODY)]));
  await expect.poll(() => raw.answered(), { timeout: 10_000 }).toContain(6001);
  expect(raw.frames(FRAME.goAway)).toEqual([]);
  const rows = /inference_batch_rows_sum (\d+)/.exec(
    await services.metrics.registry.metrics(),
  )?.[1];
  // Those whose end came in another read than their being given up.
  expect(Number(rows)).toBeLessThan(600);
});

const SLOW_ROW = JSON.stringify({ feature_0: 1, feature_1: 2, feature_2: 3, feature_3: 4 });

test.each([
  ["/predict", SLOW_ROW],
  ["/predict?by=a-route", SLOW_ROW],
  [
    "/v2/models/slow/infer",
    '{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[5,3,1,0.2]}]}',
  ],
])("requests to %s that are given up while they wait are held no longer", async (path, body) => {
  // Each has a run of its own, so that most of them wait when they are given up.
  const { port, services } = await listen({ batching: false });
  services.slot.put(testModel("slow"));
  const raw = new Raw({ port });
  const ids = Array.from({ length: 60 }, (_, i) => 1 + 2 * i);
  raw.socket.write(
    Buffer.concat(ids.flatMap((id) => [open(id, { ":path": path }), data(id, body)])),
  );
  while (services.budget.held < 30 * REQUEST_BYTES) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  raw.socket.end(Buffer.concat(ids.map(resetBy)));
  await expect.poll(() => services.budget.held, { timeout: 30_000 }).toBe(0);
  expect(await services.metrics.registry.metrics()).toMatch(/reason="abandoned"} [1-9]/);
});

test("who sends nothing but frames without requests is told to calm down, after what it asked for is answered", async () => {
  const { port } = await listen();
  const raw = new Raw({ port });
  const pings = Array.from({ length: 3000 }, () => frame(FRAME.ping, 0, 0, Buffer.alloc(8)));
  raw.socket.write(Buffer.concat([open(1), data(1, BODY), ...pings]));
  expect(await raw.goneWith()).toBe(ERROR.enhanceYourCalm);
  expect(raw.answered()).toEqual([1]);
  expect(raw.frames(FRAME.ping).length).toBeLessThan(1100);
  expect(raw.frames(FRAME.ping)[0]?.flags).toBe(FLAG.ack);
});

test("without HTTP/2 its preface is what HTTP/1.1 takes it for", async () => {
  const { port } = await listen({}, { http2: false });
  const socket = connect(port, "127.0.0.1");
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
  socket.on("error", () => undefined);
  socket.write(Buffer.concat([PREFACE, settings([])]));
  await once(socket, "close");
  expect(text).toMatch(/^HTTP\/1\.1 400 [^]*problem\+json/);
  expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200);
});
