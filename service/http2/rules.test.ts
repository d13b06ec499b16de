// Every rule of RFC 9113 whose breach would go unseen: what a client may not say, and what comes of it.
import { once } from "node:events";
import { afterEach, describe, expect, test } from "vitest";
import { ERROR, FLAG, FRAME, frame, PREFACE, SETTING, settings, windowUpdate } from "./frame.ts";
import { writeField } from "./hpack.ts";
import { block, BODY, closeAll, data, listen, open, Raw, resetBy } from "./testing.ts";

afterEach(closeAll);

const ping = frame(FRAME.ping, 0, 0, Buffer.alloc(8));
const END = FLAG.endHeaders | FLAG.endStream;
const trailers = (id: number, fields: Buffer, flags: number = END): Buffer =>
  frame(FRAME.headers, flags, id, fields);
const priority = (id: number, dependsOn: number, bytes = 5): Buffer =>
  frame(FRAME.priority, 0, id, Buffer.from([0, 0, 0, dependsOn, 15]).subarray(0, bytes));
const all = (...parts: Buffer[]): Buffer => Buffer.concat(parts);

describe("the connection ends", () => {
  test.each([
    [
      "an acknowledgement with a payload",
      frame(FRAME.settings, FLAG.ack, 0, Buffer.alloc(6)),
      ERROR.frameSize,
    ],
    ["push that is neither on nor off", settings([[SETTING.enablePush, 2]]), ERROR.protocol],
    ["a priority of no stream", priority(0, 1), ERROR.protocol],
    ["a priority of a stream that depends on itself, not open yet", priority(9, 9), ERROR.protocol],
    ["a goodbye on a stream", frame(FRAME.goAway, 0, 1, Buffer.alloc(8)), ERROR.protocol],
    ["a goodbye that is too short", frame(FRAME.goAway, 0, 0, Buffer.alloc(4)), ERROR.frameSize],
    ["a stream below one that was opened", all(open(5), open(3)), ERROR.protocol],
    ["the window of the connection opened by nothing", windowUpdate(0, 0), ERROR.protocol],
    [
      "the window of a stream that only a server opens",
      all(open(5), windowUpdate(2, 1)),
      ERROR.protocol,
    ],
    ["a reset of a stream that only a server opens", all(open(5), resetBy(4)), ERROR.protocol],
    [
      "headers with a priority that is cut off",
      frame(FRAME.headers, 4 | FLAG.priority, 1, Buffer.alloc(4)),
      ERROR.frameSize,
    ],
    [
      "a block of headers of 17 kB",
      all(
        frame(FRAME.headers, 0, 1, Buffer.alloc(16_000)),
        frame(FRAME.continuation, 0, 1, Buffer.alloc(1000)),
      ),
      ERROR.enhanceYourCalm,
    ],
  ])("at %s", async (_, bytes, error) => {
    const raw = new Raw(await listen());
    raw.socket.write(bytes);
    expect(await raw.goneWith()).toBe(error);
  });

  test.each([
    ["a ping", ping],
    ["a request", open(1)],
    ["an acknowledgement of settings", frame(FRAME.settings, FLAG.ack, 0)],
  ])("at %s before the settings", async (_, bytes) => {
    const raw = new Raw(await listen(), all(PREFACE, bytes));
    expect(await raw.goneWith()).toBe(ERROR.protocol);
  });

  test("at headers of a stream that is over", async () => {
    const raw = new Raw(await listen());
    raw.socket.write(all(open(1), data(1, BODY)));
    await expect.poll(() => raw.answered()).toEqual([1]);
    raw.socket.write(open(1));
    expect(await raw.goneWith()).toBe(ERROR.streamClosed);
  });
});

describe("only the stream ends", () => {
  const asked = (over: Record<string, string>): Buffer => all(open(1, over), data(1, BODY));
  const withTrailers = (fields: Buffer, flags?: number): Buffer =>
    all(open(1), data(1, BODY, false), trailers(1, fields, flags));
  test.each([
    ["a line feed in a value", asked({ "x-own": "a\nb: c" })],
    ["a carriage return in a value", asked({ "x-own": "a\rb" })],
    ["a NUL in a value", asked({ "x-own": "a\0" })],
    ["a value that begins with a blank", asked({ "x-own": " a" })],
    ["a value that ends with a tab", asked({ "x-own": "a\t" })],
    ["a tab in the path", asked({ ":path": "/pre\tdict" })],
    ["a blank in the path", asked({ ":path": "/predict HTTP/1.1" })],
    ["a line feed in the path", asked({ ":path": "/predict\n" })],
    ["a blank in the authority", asked({ ":authority": "a b" })],
    ["a method that is no token", asked({ ":method": "PO ST" })],
    ["an empty scheme", asked({ ":scheme": "" })],
    ["te other than trailers", asked({ te: "gzip" })],
    ["te with trailers among others", asked({ te: "trailers, gzip" })],
    ["a length in hexadecimal", asked({ "content-length": "0x4b" })],
    ["a length with an exponent", asked({ "content-length": "7.5e1" })],
    ["a length with a sign", asked({ "content-length": `+${BODY.length}` })],
    ["an empty length", asked({ "content-length": "" })],
    ["two lengths", asked({ "content-length": `${BODY.length}, ${BODY.length}` })],
    ["a body longer than it said", all(open(1, { "content-length": "3" }), data(1, BODY, false))],
    ["no body where there should be one", trailers(1, block({ "content-length": "3" }))],
    [
      "a pseudo-header twice",
      all(
        frame(FRAME.headers, FLAG.endHeaders, 1, all(block(), writeField(":method", "GET"))),
        data(1, BODY),
      ),
    ],
    [
      "a pseudo-header after others",
      all(
        frame(FRAME.headers, FLAG.endHeaders, 1, all(writeField("x-own", "1"), block())),
        data(1, BODY),
      ),
    ],
    ["a pseudo-header in trailers", withTrailers(writeField(":path", "/other"))],
    [
      "a field of the connection in trailers",
      withTrailers(writeField("transfer-encoding", "chunked")),
    ],
    ["capitals in trailers", withTrailers(writeField("X-Own", "1"))],
    ["trailers that end nothing", withTrailers(writeField("x-own", "1"), FLAG.endHeaders)],
    [
      "headers that depend on themselves",
      all(
        frame(
          FRAME.headers,
          FLAG.endHeaders | FLAG.priority,
          1,
          all(Buffer.from([0, 0, 0, 1, 9]), block()),
        ),
        data(1, BODY),
      ),
    ],
    ["a priority of four bytes", all(open(1), priority(1, 0, 4)), ERROR.frameSize],
    ["a priority that depends on itself", all(open(1), priority(1, 1))],
    ["data after the end", all(open(1), data(1, BODY), data(1, BODY)), ERROR.streamClosed],
    [
      "headers after the end",
      all(open(1), data(1, BODY), trailers(1, writeField("a", "1"))),
      ERROR.streamClosed,
    ],
    ["data after it was given up", all(open(1), resetBy(1), data(1, BODY)), ERROR.streamClosed],
    ["a window opened by nothing", all(open(1), windowUpdate(1, 0))],
  ] as [string, Buffer, number?][])("at %s", async (_, bytes, error = ERROR.protocol) => {
    const raw = new Raw(await listen());
    raw.socket.write(all(bytes, open(3), data(3, BODY)));
    await expect.poll(() => raw.answered()).toEqual([3]);
    expect(raw.resetWith(1)).toBe(error);
    expect(raw.frames(FRAME.goAway)).toEqual([]);
  });

  test.each([
    ["data", data(1, BODY), ERROR.streamClosed],
    ["a priority of four bytes", priority(1, 0, 4), ERROR.frameSize],
    ["a window opened by nothing", windowUpdate(1, 0), ERROR.protocol],
  ])("at %s of a stream whose reply is out", async (_, bytes, error) => {
    const raw = new Raw(await listen());
    raw.socket.write(all(open(1), data(1, BODY)));
    await expect.poll(() => raw.answered()).toEqual([1]);
    raw.socket.write(all(bytes, open(3), data(3, BODY)));
    await expect.poll(() => raw.answered()).toEqual([1, 3]);
    expect(raw.resetWith(1)).toBe(error);
  });
});

describe("what is allowed goes on", () => {
  test("after we reset a stream, what was on its way of it is of no account", async () => {
    const raw = new Raw(await listen());
    raw.socket.write(open(1, { "content-type": "text/plain" }));
    await expect.poll(() => raw.resetWith(1)).toBe(ERROR.none);
    raw.socket.write(
      all(data(1, BODY, false), windowUpdate(1, 9), trailers(1, writeField("a", "1")), resetBy(1)),
    );
    raw.socket.write(all(open(3), data(3, BODY)));
    await expect.poll(() => raw.answered()).toEqual([1, 3]);
    expect(raw.frames(FRAME.reset)).toHaveLength(1);
    expect(raw.frames(FRAME.goAway)).toEqual([]);
  });

  test("trailers, priorities, frames nobody knows, te: trailers, and numbers left out", async () => {
    const raw = new Raw(await listen());
    raw.socket.write(
      all(
        ...[frame(0x10, 0, 0, Buffer.from("u=1")), priority(21, 7), open(7, { te: "trailers" })],
        ...[data(7, BODY, false), trailers(7, writeField("x-checksum", "1"))],
      ),
    );
    await expect.poll(() => raw.answered()).toEqual([7]);
    raw.socket.write(all(open(9), data(9, BODY)));
    await expect.poll(() => raw.answered()).toEqual([7, 9]);
  });

  test("methods that are not served are answered, not reset: a gateway would take that for a fault", async () => {
    const raw = new Raw(await listen());
    const connect = all(writeField(":method", "CONNECT"), writeField(":authority", "a:1"));
    raw.socket.write(all(trailers(1, connect), trailers(3, block({ ":method": "get" }))));
    raw.socket.write(trailers(5, block({ ":method": "TRACE" })));
    await expect.poll(() => raw.answered().toSorted((a, b) => a - b)).toEqual([1, 3, 5]);
    expect(raw.frames(FRAME.reset)).toEqual([]);
  });

  test("bytes one at a time say the same as all at once", async () => {
    const { port } = await listen();
    const raw = new Raw({ port }, Buffer.alloc(0));
    await once(raw.socket, "connect");
    raw.socket.setNoDelay(true);
    const padded = frame(FRAME.data, FLAG.padded, 1, [2, ...Buffer.from(BODY.slice(0, 9)), 0, 0]);
    const bytes = all(PREFACE, settings([]), open(1), padded, data(1, BODY.slice(9)), ping);
    for (const byte of bytes) {
      raw.socket.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await expect.poll(() => raw.answered()).toEqual([1]);
    expect(raw.frames(FRAME.data)[0]?.payload.toString()).toContain("setosa");
    await expect.poll(() => raw.frames(FRAME.ping).length).toBe(1);
  });
});
