// Requests that nobody would send by accident, by a seed: over HTTP/1.1 and HTTP/2, thousands of them.
import { setTimeout } from "node:timers/promises";
import { spellings } from "./attacks.ts";
import { FRAME, frame, hello, request } from "./frames.ts";
import { numbers } from "../numbers.ts";
import { type Address, dial, type Line } from "./wire.ts";

type Random = () => number;

const pick = <T>(random: Random, all: readonly T[]): T =>
  all[Math.floor(random() * all.length)] as T;

const row = { sepal_length: 5.1, sepal_width: 3.5, petal_length: 1.4, petal_width: 0.2 };

const bodies: readonly string[] = [
  ...["", "{", "[]", "{}", "null", "[[]]", "[null]", "[{}]", '"', "\u0000", "\xff\xfe", "\xc3\x28"],
  ...['{"__proto__":{"a":1}}', '{"sepal_length":1e999}', '{"sepal_length":NaN}', "[1,2,3,4]"],
  ...[`${"[".repeat(500)}${"]".repeat(500)}`, `{"sepal_length":${"1".repeat(3000)}}`],
  ...[
    '{"sepal_length":"\\ud800"}',
    '{"sepal_length":5.1,"sepal_length":"x"}',
    "{'a':1}",
    "\ufeff{}",
  ],
  JSON.stringify({ ...row, more: 1 }),
  JSON.stringify({ ...row, petal_width: "x\u0000y" }),
  JSON.stringify({ ...row, petal_width: [0.2] }),
  JSON.stringify([row, { ...row, sepal_length: null }, row]),
  JSON.stringify({ inputs: [{ name: "X", shape: [1e9, 4], datatype: "FP32", data: [1] }] }),
  JSON.stringify({ inputs: [{ name: "X", shape: [-1, 4], datatype: "BYTES", data: [[[]]] }] }),
  JSON.stringify({ inputs: {} }),
];
const types = ["application/json", "text/plain", "application/json; charset=\x07", "a/b/c", ""];
const methods = [
  "GET",
  "POST",
  "PUT",
  "DELETE",
  "PATCH",
  "OPTIONS",
  "TRACE",
  "get",
  "G\x01T",
  "PRI",
];
const paths = [
  ...[
    "/predict",
    "/predict",
    "/v2/models/iris/infer",
    "/v2/models/%00/infer",
    "/model",
    "/docs/..",
  ],
  ...["/openapi.json", "/", "*", "/predict?a=%zz", `/${"a".repeat(6000)}`, "/v2/models//infer"],
  ...spellings("/metrics"),
];
const oddHeaders = [
  ...["X-A: \x00", "X-A : b", " folded: a", "X-A: a\r\n b: c", "Host: a", "Host: b\r\nHost: c"],
  ...["Content-Encoding: gzip", "Transfer-Encoding: gzip, chunked", "Expect: 100-continue"],
  ...[
    "Range: bytes=0-1,2-3,4-",
    "Connection: close, host, x",
    "Upgrade: h2c",
    "TE: trailers, gzip",
  ],
  ...[
    `Cookie: ${"a".repeat(9000)}`,
    ...["X: y\r\n".repeat(80).trim()],
    "traceparent: 00-x",
    "X-Request-Id: \x7f",
  ],
  ...["Content-Length: +5", "Content-Length: 5, 5", "Content-Length: 0x5", "Content-Length: -1"],
];

/** One message of HTTP/1.1, that is over when it has been sent. */
export function overHttp1(random: Random): string {
  const body = pick(random, bodies);
  const chunked = random() < 0.15;
  const odd = random() < 0.4 ? [pick(random, oddHeaders)] : [];
  const length = random() < 0.05 ? body.length + 3 : Buffer.byteLength(body, "latin1");
  const size = pick(random, [
    body.length.toString(16),
    `${body.length.toString(16)};a=b`,
    "zz",
    "-1",
  ]);
  const [framing, sent] = chunked
    ? ["Transfer-Encoding: chunked", `${size}\r\n${body}\r\n0\r\n\r\n`]
    : [`Content-Length: ${length}`, body];
  const version = pick(random, ["1.1", "1.1", "1.1", "1.1", "1.0", "0.9", "2.0", "1.7"]);
  return [
    `${pick(random, methods)} ${pick(random, paths)} HTTP/${version}`,
    ...(random() < 0.95 ? ["Host: localhost"] : []),
    `Content-Type: ${pick(random, types)}`,
    framing,
    ...odd,
    "",
    sent,
  ].join("\r\n");
}

const clean = (text: string): string => text.slice(0, 120);
const oddFields: readonly (readonly [string, string])[] = [
  ...([
    ["connection", "close"],
    ["te", "gzip"],
    ["Upper", "x"],
    [":path", "/b"],
    [":x", "y"],
  ] as const),
  ...([
    ["a", "b\r\nc: d"],
    ["a", "b\0"],
    ["", "x"],
    ["transfer-encoding", "chunked"],
  ] as const),
  ...([
    ["content-length", "7.5e1"],
    ["content-length", "99"],
    ["host", "other"],
  ] as const),
];

/** One request of HTTP/2 as the frames of a stream. */
export function overHttp2(random: Random, stream: number): Buffer {
  const body = Buffer.from(pick(random, bodies), "latin1").subarray(0, 12_000);
  const odd = random() < 0.4 ? [pick(random, oddFields)] : [];
  const fields = [["content-type", clean(pick(random, types))] as const, ...odd];
  const headers = request(clean(pick(random, methods)), clean(pick(random, paths)), fields);
  const how = random();
  if (how < 0.05) {
    return Buffer.concat([
      frame(FRAME.headers, 4, stream, headers),
      frame(FRAME.reset, 0, stream, Buffer.from([0, 0, 0, 8])),
    ]);
  }
  if (how < 0.1) return frame(Math.floor(random() * 16), Math.floor(random() * 256), stream, body);
  return Buffer.concat([
    frame(FRAME.headers, 4, stream, headers),
    frame(FRAME.data, 1, stream, body),
  ]);
}

/** Replies by their status; "none" where a connection ended without one. */
export type Counts = Map<string, number>;

async function answered(line: Line, ms: number): Promise<string> {
  for (const end = performance.now() + ms; performance.now() < end && !line.ended();) {
    if (line.received().includes("\r\n\r\n")) break;
    await setTimeout(1);
  }
  return /^HTTP\/1\.1 (\d+)/.exec(line.received())?.[1] ?? "none";
}

/** Sends so many of each protocol, on a few connections at a time, and counts what came of it. */
export async function hostile(
  to: Address,
  count: number,
  seed: number,
  alongside = 24,
): Promise<Counts> {
  const random = numbers(seed);
  const counts: Counts = new Map();
  const note = (status: string): void => {
    counts.set(status, (counts.get(status) ?? 0) + 1);
  };
  let left = Math.ceil(count / 2);
  const http1 = async () => {
    while (left > 0) {
      left--;
      const line = await dial(to);
      if (line === undefined) {
        note("refused");
        continue;
      }
      line.socket.write(overHttp1(random), "latin1");
      note(await answered(line, 300));
      line.socket.destroy();
    }
  };
  let streams = Math.floor(count / 2);
  const http2 = async () => {
    while (streams > 0) {
      const line = await dial(to);
      if (line === undefined) {
        note("refused");
        streams -= 1;
        continue;
      }
      line.socket.write(hello());
      for (let i = 0; i < 20 && streams > 0 && !line.ended(); i++) {
        streams--;
        note("HTTP/2");
        line.socket.write(overHttp2(random, 2 * i + 1));
        await setTimeout(1);
      }
      await setTimeout(20);
      line.socket.destroy();
    }
  };
  await Promise.all([
    ...Array.from({ length: alongside }, http1),
    ...Array.from({ length: Math.ceil(alongside / 3) }, http2),
  ]);
  return counts;
}
