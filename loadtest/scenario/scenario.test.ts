import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeRequest, makePlan } from "../engine/plan.ts";
import { parseCsv } from "./csv.ts";
import { predictions } from "./default.ts";
import { readScenario } from "./file.ts";
import { bodySchema } from "./openapi.ts";
import { sample } from "./sample.ts";

const document = {
  paths: {
    "/predict": {
      post: {
        requestBody: {
          content: {
            "application/json": {
              schema: {
                oneOf: [
                  { type: "array", items: { $ref: "#/components/schemas/Row" } },
                  { $ref: "#/components/schemas/Row" },
                ],
              },
            },
          },
        },
      },
    },
  },
  components: {
    schemas: {
      Row: {
        type: "object",
        properties: {
          width: { type: "number", minimum: 0.1, maximum: 2.5 },
          count: { type: "integer", minimum: 3, maximum: 9 },
          above: { type: "number", exclusiveMinimum: 10 },
          color: { enum: ["red", "blue"] },
          flag: { type: "boolean" },
          text: { type: "string", examples: ["a", "b"] },
          vector: { type: "array", items: { type: "number" }, minItems: 4, maxItems: 4 },
        },
      },
    },
  },
};

test("payloads stay within what the service's description allows", () => {
  const schema = bodySchema(document, "/predict", "POST");
  fc.assert(
    fc.property(fc.infiniteStream(fc.double({ min: 0, max: 0.999999, noNaN: true })), (stream) => {
      const row = sample(document, schema, () => Number(stream.next().value)) as Record<
        string,
        never
      >;
      expect(row["width"]).toBeGreaterThanOrEqual(0.1);
      expect(row["width"]).toBeLessThanOrEqual(2.5);
      expect([3, 4, 5, 6, 7, 8, 9]).toContain(row["count"]);
      expect(row["above"]).toBeGreaterThan(10);
      expect(["red", "blue"]).toContain(row["color"]);
      expect(["a", "b"]).toContain(row["text"]);
      expect(row["vector"]).toHaveLength(4);
    }),
  );
});

test("predictions vary from request to request; without a description there are none", () => {
  const data = predictions(document, "/predict", Math.random);
  if (data.kind !== "requests") throw new Error("not requests");
  expect(new Set(data.tasks[0]!.bodies).size).toBeGreaterThan(500);
  expect(() => predictions(null, "/predict", Math.random)).toThrow("--data rows.csv");
});

/** Values of `schema` for shares from 0 to almost 1. */
const samples = (schema: unknown): unknown[] => {
  let turn = 0;
  const random = (): number => ((turn += 61) % 1000) / 1000;
  return Array.from({ length: 300 }, () => sample({}, schema, random) ?? "null");
};

test.each([
  [
    "null beside a number",
    { type: ["null", "number"] },
    (value: unknown) => typeof value === "number",
  ],
  ["null as a choice", { anyOf: [{ type: "null" }, { type: "integer" }] }, Number.isInteger],
  [
    "an integer of any size",
    { type: "integer", minimum: -(2 ** 63), maximum: 2 ** 63 },
    (value: unknown) => Number(value) >= 0 && Number(value) <= 9,
  ],
  [
    "exclusive ends",
    { type: "integer", exclusiveMinimum: 3, exclusiveMaximum: 5 },
    (value: unknown) => value === 4,
  ],
  [
    "exclusive ends as OpenAPI 3.0 has them",
    { type: "integer", minimum: 3, exclusiveMinimum: true, maximum: 4 },
    (value: unknown) => value === 4,
  ],
  ["a default", { type: "number", default: 12.5 }, (value: unknown) => value === 12.5],
  [
    "a default of null",
    { anyOf: [{ type: "number" }, { type: "null" }], default: null },
    (value: unknown) => typeof value === "number",
  ],
  [
    "a date",
    { type: "string", format: "date-time" },
    (value: unknown) => !Number.isNaN(Date.parse(String(value))),
  ],
  [
    "a short text",
    { type: "string", maxLength: 3 },
    (value: unknown) => String(value).length === 3,
  ],
  [
    "numbers that were seen",
    { type: "number", examples: [1.5, 2.5] },
    (value: unknown) => Number(value) >= 1.5 && Number(value) <= 2.5,
  ],
  [
    "whole numbers that were seen",
    { type: "integer", examples: [1, 5, 7] },
    (value: unknown) => [1, 5, 7].includes(Number(value)),
  ],
  [
    "steps that were seen",
    { type: "number", multipleOf: 0.5, examples: [1, 2.5] },
    (value: unknown) => [1, 2.5].includes(Number(value)),
  ],
  [
    "which properties go together",
    { type: "object", properties: { a: { type: "number" } }, anyOf: [{ required: ["a"] }] },
    (value: unknown) => typeof (value as { a: unknown }).a === "number",
  ],
])("%s: what is sent is taken", (_, schema, taken) => {
  expect(samples(schema).find((value) => !taken(value))).toBeUndefined();
});

test("a description that refers to itself, or asks for more than there is room for, is no trap", () => {
  const tree = { $ref: "#/tree" };
  const endless = {
    tree: { type: "object", properties: { left: tree, right: tree } },
    choice: { anyOf: [{ $ref: "#/choice" }, { $ref: "#/choice" }] },
  };
  expect(sample(endless, tree, Math.random)).toHaveProperty("left.right.left");
  expect(sample(endless, { $ref: "#/choice" }, Math.random)).toBeNull();
  const many = { type: "array", minItems: 1e9, items: { type: "boolean" } };
  expect((sample({}, many, Math.random) as unknown[]).length).toBeLessThan(100_000);
});

test("a request is written to the letter", () => {
  expect(encodeRequest({ path: "/x?a=1", body: { a: "é" } }, "h:1").toString("utf8")).toBe(
    'POST /x?a=1 HTTP/1.1\r\nhost: h:1\r\nuser-agent: inference-stack-loadtest\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{"a":"é"}',
  );
  expect(() => encodeRequest({ path: "/a b" }, "h")).toThrow("bad request line");
  expect(() => encodeRequest({ path: "/", headers: { x: "1\r\nevil: 1" } }, "h")).toThrow(
    'bad header "x"',
  );
});

test("CSV is read with its quotes, whatever its line ends", () => {
  expect(parseCsv('\uFEFFa,b\r\n1,"x, ""y""\nz"\n\n2,\n', "rows.csv")).toEqual([
    { a: "1", b: 'x, "y"\nz' },
    { a: "2", b: "" },
  ]);
});

test("a scenario's file travels as one module, its data beside it", async () => {
  const dir = mkdtempSync(join(tmpdir(), "scenario-"));
  writeFileSync(join(dir, "rows.csv"), "id\n7\n8\n");
  writeFileSync(
    join(dir, "mine.ts"),
    `import { between, scenario } from ${JSON.stringify(resolve("loadtest/scenario/scenario.ts"))};
     export default scenario({
       thinkTime: between(1, 2),
       data: { rows: "rows.csv" },
       tasks: [
         { name: "item", weight: 3, request: ({ data, iteration }) => ({ path: "/items/" + String(data["rows"]![iteration % 2]!["id"]) }),
           check: (reply) => (reply.status === 200 ? undefined : "not there") },
         { request: { path: "/health", method: "HEAD" } },
       ],
     });`,
  );
  const { name, data } = await readScenario(join(dir, "mine.ts"));
  expect(name).toBe("mine.ts");
  const plan = await makePlan(JSON.parse(JSON.stringify(data)) as typeof data, "host", Math.random);
  expect(plan.thinkTime).toEqual({ kind: "uniform", min: 1, max: 2 });
  expect(plan.tasks.map((task) => [task.method, task.name, task.weight])).toEqual([
    ["GET", "item", 3],
    ["HEAD", "/health", 1],
  ]);
  expect(plan.tasks[0]!.next(0, 1).toString()).toMatch(/^GET \/items\/8 HTTP/);
  expect(plan.tasks[0]!.check!({ status: 500, body: () => "", json: () => null })).toBe(
    "not there",
  );
});

test.each([
  ["missing.ts", null, "There is no scenario"],
  ["locustfile.py", "x", "is a Locust file in Python"],
  ["broken.ts", "export default {", "cannot be read"],
  ["empty.ts", "export default { tasks: [] }", "must export a scenario with tasks"],
  [
    "nodata.ts",
    "export default { data: { x: 'none.csv' }, tasks: [{ request: { path: '/' } }] }",
    "There is no data file none.csv",
  ],
])("%s is refused in words", async (file, text, words) => {
  const path = join(mkdtempSync(join(tmpdir(), "scenario-")), file);
  if (text !== null) writeFileSync(path, text);
  await expect(readScenario(path)).rejects.toThrow(words);
});
