import fc from "fast-check";
import { expect, test } from "vitest";
import { ResponseParser, type Parsed } from "./response.ts";

test("of a refusal the beginning is kept, where it is wanted, and of nothing else", () => {
  const parser = new ResponseParser((status) => status === 422);
  const kept = (status: number, body: string): string => {
    parser.reset(false, false);
    const bytes = Buffer.from(
      `HTTP/1.1 ${status} x\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    expect(parser.feed(bytes, bytes.length)).toBe("done");
    expect(parser.bodyBytes).toBe(body.length);
    return parser.body().toString();
  };
  expect(kept(200, "fine")).toBe("");
  expect(kept(500, "broken")).toBe("");
  expect(kept(422, "no")).toBe("no");
  expect(kept(422, "x".repeat(100_000))).toHaveLength(16 * 1024);
  expect(kept(200, "fine")).toBe("");
});

interface Outcome {
  parsed: Parsed;
  status: number;
  bodyBytes: number;
  keepAlive: boolean;
  body: string;
  problem: string;
}

/** Feeds a reply in pieces, through one buffer that is overwritten as a socket's is. */
function read(reply: string, cuts: readonly number[] = [], ofHead = false): Outcome {
  const bytes = Buffer.from(reply, "latin1");
  const parser = new ResponseParser();
  parser.reset(ofHead, true);
  const shared = Buffer.alloc(bytes.length + 1);
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  let from = 0;
  let parsed: Parsed = "more";
  for (const end of [...ends, bytes.length]) {
    if (end <= from) continue;
    shared.fill(0xff);
    bytes.copy(shared, 0, from, end);
    parsed = parser.feed(shared, end - from);
    from = end;
    if (parsed === "malformed") break;
  }
  const { status, bodyBytes, keepAlive, problem } = parser;
  return { parsed, status, bodyBytes, keepAlive, body: parser.body().toString("latin1"), problem };
}

const replies = {
  length:
    'HTTP/1.1 200 OK\r\nServer: x\r\nContent-Type: application/json\r\ncontent-length: 13\r\n\r\n{"a":[1,2,3]}',
  chunked:
    "HTTP/1.1 201 Created\r\nTransfer-Encoding: gzip, chunked\r\n\r\n4\r\nWiki\r\n5;x=y\r\npedia\r\nA\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\n",
  empty: "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
  interim:
    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 503 Service Unavailable\r\nCONTENT-LENGTH: 2\r\n\r\nno",
  bare: "HTTP/1.0 200 OK\nConnection: Keep-Alive\nContent-Length: 2\n\nok",
};

test("a reply is read the same however it is cut", () => {
  for (const reply of Object.values(replies)) {
    const whole = read(reply);
    expect(whole.parsed).toBe("done");
    fc.assert(
      fc.property(fc.array(fc.nat(500), { maxLength: 12 }), (cuts) => {
        expect(read(reply, cuts)).toEqual(whole);
      }),
    );
    const everyByte = Array.from({ length: reply.length }, (_, i) => i);
    expect(read(reply, everyByte)).toEqual(whole);
  }
});

test("bodies are counted without their framing and followed to the last byte", () => {
  expect(read(replies.length)).toMatchObject({ status: 200, bodyBytes: 13, body: '{"a":[1,2,3]}' });
  expect(read(replies.chunked)).toMatchObject({
    status: 201,
    bodyBytes: 19,
    body: "Wikipedia0123456789",
  });
  expect(read(replies.length.slice(0, -1)).parsed).toBe("more");
  expect(read(replies.chunked.slice(0, -2)).parsed).toBe("more");
});

test("an interim reply is not the reply", () => {
  expect(read(replies.interim)).toMatchObject({ status: 503, body: "no" });
});

test("the connection is kept as the reply says and its version implies", () => {
  expect(read(replies.length).keepAlive).toBe(true);
  expect(read(replies.empty).keepAlive).toBe(false);
  expect(read(replies.bare).keepAlive).toBe(true);
  expect(read("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n").keepAlive).toBe(false);
});

test("a reply to HEAD has no body whatever its length says", () => {
  expect(read("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", [], true).parsed).toBe("done");
});

test("without a length the end of the connection ends the reply", () => {
  const parser = new ResponseParser();
  parser.reset(false, false);
  const bytes = Buffer.from("HTTP/1.1 200 OK\r\n\r\nsome");
  expect(parser.feed(bytes, bytes.length)).toBe("more");
  expect(parser.end()).toBe(true);
  expect(parser.bodyBytes).toBe(4);
  parser.reset(false, false);
  const half = Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome");
  parser.feed(half, half.length);
  expect(parser.end()).toBe(false);
});

test.each([
  ["SSH-2.0-OpenSSH_9.2 hello", "not an HTTP/1.1 reply"],
  ["HTTP/1.1 abc Nope\r\n\r\n", "bad status line"],
  ["HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "bad Content-Length"],
  ["HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "two Content-Lengths"],
  ["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokay", "bytes after the end of the reply"],
  ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "bad chunk size"],
  [
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
    "chunk longer than declared",
  ],
  [`HTTP/1.1 200 OK\r\nx: ${"y".repeat(70_000)}`, "head over 65536 bytes"],
])("%j is malformed: %s", (reply, problem) => {
  expect(read(reply)).toMatchObject({ parsed: "malformed", problem });
});
