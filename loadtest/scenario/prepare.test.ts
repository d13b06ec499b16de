// What a run sends, and whether it may start, against a real server that is as strict as the service.
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { parseRequest, type RunRequest } from "../run-request.ts";
import { UserError } from "../units.ts";
import { prepare } from "./prepare.ts";
import type { OwnRows } from "./rows.ts";

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

interface Reply {
  status: number;
  body: string;
}

const described = (row: unknown): unknown => ({
  openapi: "3.1.0",
  paths: {
    "/predict": {
      post: {
        requestBody: {
          content: {
            "application/json": {
              schema: {
                anyOf: [
                  { $ref: "#/components/schemas/Row" },
                  { type: "array", items: { $ref: "#/components/schemas/Row" } },
                ],
              },
            },
          },
        },
      },
    },
  },
  components: { schemas: { Row: row } },
});

const double = {
  type: "number",
  format: "double",
  minimum: -Number.MAX_VALUE,
  maximum: Number.MAX_VALUE,
};
/** As the service describes a published pipeline of two double features, one of which may be missing. */
const fp64 = {
  type: "object",
  properties: { a: double, b: { ...double, type: ["number", "null"] } },
  required: ["a"],
  additionalProperties: false,
};

/** Answers each prediction with what `predict` says, or not at all; the bodies it was sent. */
async function serve(
  document: unknown,
  predict: (row: unknown, number: number) => Reply | null,
): Promise<{ host: string; sent: unknown[] }> {
  const sent: unknown[] = [];
  server = createServer((request, response) => {
    let text = "";
    request.on("data", (chunk: Buffer) => (text += chunk.toString()));
    request.on("end", () => {
      if (request.url === "/openapi.json") {
        const text = typeof document === "string" ? document : JSON.stringify(document);
        response.writeHead(document === null ? 404 : 200).end(text);
        return;
      }
      const row: unknown = JSON.parse(text);
      sent.push(row);
      const reply = predict(row, sent.length);
      if (reply === null) response.destroy();
      else response.writeHead(reply.status).end(reply.body);
    });
  });
  await new Promise<void>((resolve) => server!.listen(0, "127.0.0.1", resolve));
  return { host: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sent };
}

const fine = (): Reply => ({ status: 200, body: '{"label":1}' });
const request = (rows: OwnRows | null = null, path = "/predict"): RunRequest => ({
  ...parseRequest({ path }),
  rows,
});
const bodiesOf = async (host: string, rows: OwnRows | null = null): Promise<unknown[]> => {
  const { data } = await prepare(request(rows), host);
  if (data.kind !== "requests") throw new Error("not requests");
  return data.tasks[0]!.bodies.map((body) => JSON.parse(body) as unknown);
};

/** As the service: every feature a number within a double's range. */
const strict = (row: unknown): Reply => {
  const { a, b } = row as { a: unknown; b: unknown };
  return typeof a === "number" && (b === null || b === undefined || typeof b === "number")
    ? fine()
    : {
        status: 422,
        body: JSON.stringify({
          title: "Invalid input",
          detail: '"/a" is null; it must be a number.',
          errors: [{ pointer: "/a", detail: "is null; it must be a number" }],
        }),
      };
};

test("features of any double are sent as numbers near 0 to 1, and the load starts", async () => {
  const { host, sent } = await serve(described(fp64), strict);
  const bodies = (await bodiesOf(host)) as { a: number; b: number }[];
  expect(new Set(bodies.map(({ a }) => a)).size).toBeGreaterThan(100);
  for (const { a, b } of bodies) {
    for (const value of [a, b]) {
      expect(value).toBeGreaterThanOrEqual(0);
      expect(value).toBeLessThanOrEqual(1);
    }
  }
  expect(sent.length).toBe(5);
  expect(new Set(sent.map((row) => JSON.stringify(row))).size).toBe(5);
});

test("rows are like the examples: numbers between two that were seen, everything else as in one of them", async () => {
  const examples = [
    { a: 1.5, b: null, n: 3, id: 1, kind: "x", on: true, v: [0.1, 10.5] },
    { a: 2.25, b: 7.5, n: 9, id: 2, kind: "y", on: false, v: [0.4, 11.5] },
    { a: 4.0, b: 8.5, n: 20, id: 3, kind: "z", on: false, v: [0.9, 30.0] },
  ];
  const properties = {
    ...fp64.properties,
    n: { type: "integer", minimum: -(2 ** 31), maximum: 2 ** 31 - 1 },
    id: { type: ["integer", "null"] },
    kind: { type: "string" },
    on: { type: "boolean" },
    v: { type: "array", items: double, minItems: 2, maxItems: 2 },
  };
  const { host } = await serve(described({ ...fp64, properties, examples }), fine);
  const bodies = (await bodiesOf(host)) as typeof examples;
  expect(new Set(bodies.map(({ a }) => a)).size).toBeGreaterThan(50);
  expect(new Set(bodies.map(({ v }) => v[1])).size).toBeGreaterThan(50);
  expect(new Set(bodies.map(({ id }) => id))).toEqual(new Set([1, 2, 3]));
  for (const { a, b, n, id, kind, on, v } of bodies) {
    const picked = examples.find((one) => one.id === id)!;
    expect({ n, kind, on }).toEqual({ n: picked.n, kind: picked.kind, on: picked.on });
    expect(a >= 1.5 && a <= 4).toBe(true);
    expect(String(a).length).toBeLessThanOrEqual(5);
    if (picked.b === null) expect(b).toBeNull();
    else expect(b! >= 7.5 && b! <= 8.5).toBe(true);
    expect(v[0]! >= 0.1 && v[0]! <= 0.9 && v[1]! >= 10.5 && v[1]! <= 30).toBe(true);
  }
});

test("a single example is sent as it is, also one that only the body has, with integers that no double holds", async () => {
  const examples = [{ a: 0.25, b: null }];
  const one = await serve(described({ ...fp64, examples }), fine);
  expect(new Set((await bodiesOf(one.host)).map((row) => JSON.stringify(row)))).toEqual(
    new Set(['{"a":0.25,"b":null}']),
  );
  server!.close();
  const shown =
    '{"examples":{"many":{"value":[{"id":1}]},"one":{"value":{"id":9007199254740993}}},';
  const document = JSON.stringify(described({ type: "object" }));
  const { host } = await serve(document.replace('json":{', `json":${shown}`), fine);
  const { data } = await prepare(request(), host);
  expect(data.kind === "requests" && data.tasks[0]!.bodies[0]).toBe('{"id":9007199254740993}');
});

const refusal = async (
  document: unknown,
  predict: Parameters<typeof serve>[1],
  rows: OwnRows | null = null,
): Promise<string> => {
  const { host } = await serve(document, predict);
  const error: unknown = await prepare(request(rows), host).then(
    () => new Error("it started"),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  return (error as Error).message.replace(host, "HOST");
};

test("a row that the target refuses is said before the load: what was sent, what it said, the way out", async () => {
  const never = (): Reply => strict({ a: null });
  const examples = [{ a: 0.5, b: null }];
  expect(await refusal(described({ ...fp64, examples }), never)).toBe(
    'The load was not started, as HOST refuses what it would send: POST /predict with {"a":0.5,"b":null}, ' +
      'was answered 422, "Invalid input: "/a" is null; it must be a number."; ' +
      "give rows of your own with --data rows.csv (or .ndjson, .json), or a scenario with -f.",
  );
  expect(await refusal(described(fp64), () => ({ status: 404, body: "" }))).toMatch(
    /was answered 404; name the path that takes predictions with --path\.$/,
  );
});

test("of people's own rows the one that is refused is said by its number", async () => {
  const bodies = Array.from({ length: 10 }, (_, i) => `{"a":${i === 6 ? "null" : i}}`);
  expect(await refusal(null, strict, { name: "mine.ndjson", bodies })).toMatch(
    /POST \/predict with row 7 of mine\.ndjson, \{"a":null\}, was answered 422, .*; mend that row of mine\.ndjson, or leave it out\.$/,
  );
});

test.each([500, 502, 503, 504, 429, 408])(
  "%d says nothing about the rows: the load starts",
  async (status) => {
    const { host, sent } = await serve(described(fp64), () => ({ status, body: "" }));
    expect(await bodiesOf(host)).toHaveLength(2048);
    expect(sent.length).toBe(5);
  },
);

test("nor does a connection that breaks", async () => {
  const { host, sent } = await serve(described(fp64), () => null);
  expect(await bodiesOf(host)).toHaveLength(2048);
  expect(sent.length).toBe(1);
});

test("a target without a description is not sent a guess", async () => {
  expect(await refusal(null, fine)).toBe(
    "What to send is not known, as HOST/openapi.json cannot be read (status 404); " +
      "give rows of your own with --data rows.csv (or .ndjson, .json), or a scenario with -f.",
  );
  expect(await refusal({ paths: {} }, fine)).toMatch(
    /^The target's \/openapi\.json describes no POST \/predict with a body in JSON; name another --path, or give rows/,
  );
});

test("a description that cannot be read for the moment is the one that was read before", async () => {
  const { host } = await serve(described(fp64), fine);
  const known = new Map<string, unknown>();
  await prepare(request(), host, known);
  server!.removeAllListeners("request");
  server!.on("request", (_, response) => response.writeHead(503).end());
  const { data } = await prepare(request(), host, known);
  expect(data.kind === "requests" && data.tasks[0]!.bodies.length).toBe(2048);
});

test("large rows are fewer: workers hold all of them", async () => {
  const pixels = Array.from({ length: 100_000 }, (_, i) => i / 7);
  const row = { type: "object", properties: { pixels: { type: "array", items: double } } };
  const { host } = await serve(described({ ...row, examples: [{ pixels }, { pixels }] }), fine);
  const bodies = await bodiesOf(host);
  expect(bodies.length).toBeGreaterThan(4);
  expect(JSON.stringify(bodies).length).toBeLessThan(24 * 1024 * 1024);
});
