import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { UserError } from "../units.ts";
import { bodiesOf, readOwnRows } from "./rows.ts";

const dir = mkdtempSync(join(tmpdir(), "rows-"));
const file = (name: string, text: string | Buffer): string => {
  writeFileSync(join(dir, name), text);
  return join(dir, name);
};

const row = {
  type: "object",
  properties: {
    age: { type: ["number", "null"] },
    rooms: { type: "integer" },
    city: { type: "string" },
    owner: { anyOf: [{ type: "boolean" }, { type: "null" }] },
    pixels: { type: "array", items: { type: "number" } },
    level: { enum: [1, 2, null] },
  },
  required: ["rooms", "city"],
};
const documentOf = (schema: unknown): unknown => ({
  paths: {
    "/predict": { post: { requestBody: { content: { "application/json": { schema } } } } },
  },
  components: { schemas: { Row: row } },
});
const ref = { $ref: "#/components/schemas/Row" };
const service = documentOf({ anyOf: [ref, { type: "array", items: ref }] });

const fromCsv = (text: string, document: unknown = service): string[] =>
  bodiesOf(readOwnRows(file("rows.csv", text)), document, "/predict");

test("a CSV's cells become what the target says of their columns", () => {
  const bodies = fromCsv(
    [
      "age,rooms,city,owner,pixels,level",
      '31.50,3,"Soria, ""alta""",True,"[1, 2.5]",2',
      ",4.0,,,,",
      "+.5,-07,12,false,[],1",
      "1e3,9007199254740993,true,0,[],1",
      "",
    ].join("\r\n"),
  );
  expect(bodies).toEqual([
    '{"age":31.50,"rooms":3,"city":"Soria, \\"alta\\"","owner":true,"pixels":[1, 2.5],"level":2}',
    '{"age":null,"rooms":4,"city":"","owner":null,"level":null}',
    '{"age":0.5,"rooms":-7,"city":"12","owner":false,"pixels":[],"level":1}',
    '{"age":1e3,"rooms":9007199254740993,"city":"true","owner":false,"pixels":[],"level":1}',
  ]);
  for (const body of bodies) expect(() => JSON.parse(body) as unknown).not.toThrow();
});

test("columns in another order, and optional ones left out, are no mistake; a list is made where one is taken", () => {
  expect(fromCsv("city,rooms\nx,1\n")).toEqual(['{"city":"x","rooms":1}']);
  expect(fromCsv("city,rooms\nx,1\n", documentOf({ type: "array", items: ref }))).toEqual([
    '[{"city":"x","rooms":1}]',
  ]);
});

test.each([
  ["city,rooms,price\nx,1,2\n", 'has "price", which POST /predict does not take'],
  ["city\nx\n", 'lacks "rooms", which POST /predict needs'],
  ["city,room\nx,1\n", 'has "room", which POST /predict does not take and lacks "rooms"'],
  [",city,rooms\n0,x,1\n", "to_csv(index=False)"],
  ["city,rooms,city\nx,1,y\n", 'has "city" twice'],
  ["city,rooms\nx,1\ny,many\n", 'row 2, has "many" in column "rooms"; POST /predict takes integer'],
  ["city,rooms\nx,1.5\n", 'row 1, has "1.5" in column "rooms"'],
  ["city,rooms\nx,\n", 'row 1, has nothing in column "rooms"'],
  ["city,rooms,age\nx,1,NaN\n", 'has "NaN" in column "age"; POST /predict takes number or nothing'],
  ["city,rooms,age\nx,1,1e999\n", 'has "1e999" in column "age"'],
  ["city,rooms\nx\n", "row 1, has 1 cells where its header has 2"],
  ["city,rooms\n", "has no rows"],
  ["", "rows.csv has no rows"],
  ['city,rooms\n5" pipe,1\n6" pipe,2\n', "line 2, has a quote within a cell"],
  ['city,rooms\nx,1\ny,1"2"\n', "line 3, has a quote within a cell"],
  ['city,rooms\n"x"y,1\n', "line 2, has text after a closing quote"],
  ['city,rooms\n"x,1\n', "line 2, opens a quote that nothing closes"],
])("%j is refused in one sentence", (text, words) => {
  expect(() => fromCsv(text)).toThrow(UserError);
  expect(() => fromCsv(text)).toThrow(words);
});

test("where the target does not say what columns there are, a CSV is no use and the way out is said", () => {
  for (const document of [null, {}, documentOf({ type: "object" })]) {
    expect(() => fromCsv("a\n1\n", document)).toThrow(/does not say what columns .* \.ndjson/);
  }
});

test("rows of NDJSON and JSON are sent as they are, long integers and all", () => {
  const ndjson = '{"id":9007199254740993,"x":1.0}\r\n\n {"id":2}\n';
  expect(readOwnRows(file("a.ndjson", `\ufeff${ndjson}`))).toEqual({
    name: "a.ndjson",
    bodies: ['{"id":9007199254740993,"x":1.0}', '{"id":2}'],
  });
  expect(readOwnRows(file("a.JSON", '[{"id":9007199254740993, "x":1.0}, [1]]'))).toEqual({
    name: "a.JSON",
    bodies: ['{"id":9007199254740993,"x":1.0}', "[1]"],
  });
});

test.each([
  ["a.txt", "x", "give rows as .csv with a header"],
  ["b.ndjson", '{"a":1}\n{"a":\n', "b.ndjson, line 2, is not JSON"],
  ["c.json", '{"a":1}', "is not a JSON array of rows; for one object a line, name it .ndjson"],
  ["d.json", "[", "d.json is not JSON"],
  ["e.json", "[]", "e.json has no rows"],
  ["f.csv", Buffer.from([0x61, 0x0a, 0xe9]), "is not UTF-8 text"],
  ["g.ndjson", "1\n".repeat(100_001), "g.ndjson has more rows; at most 100,000 rows and 16 MB"],
  ["g.csv", `a\n${"1\n".repeat(5_000_000)}`, "g.csv has more rows; at most 100,000 rows"],
  ["lines.json", '{"a":1}\n{"a":2}\n', "for one object a line, name it .ndjson"],
  ["a.tsv", "x", "The rows' file is \""],
  [
    "h.csv",
    Buffer.alloc(17 * 1024 * 1024, 0x61),
    "h.csv has 17 MB; at most 100,000 rows and 16 MB",
  ],
])("%s is refused in one sentence", (name, text, words) => {
  const path = file(name, text);
  expect(() => readOwnRows(path)).toThrow(UserError);
  expect(() => readOwnRows(path)).toThrow(words);
});

test("what is no file is said so, and nobody waits for it", () => {
  const path = join(dir, "pipe.csv");
  execFileSync("mkfifo", [path]);
  expect(() => readOwnRows(path)).toThrow(/pipe\.csv is no regular file/);
  mkdirSync(join(dir, "folder.csv"));
  expect(() => readOwnRows(join(dir, "folder.csv"))).toThrow(/is no regular file/);
});

test("requests that would be too many together are not all made first", () => {
  const wide = "x".repeat(400);
  const properties = { [wide]: { type: "number" } };
  const document = documentOf({ type: "object", properties });
  const rows = readOwnRows(file("wide.csv", `${wide}\n${"1\n".repeat(100_000)}`));
  expect(() => bodiesOf(rows, document, "/predict")).toThrow(/larger requests in all; at most/);
});

test("no row is lost or run into another: empty ones of one column, and any ends of lines", () => {
  const properties = { age: { type: ["number", "null"] } };
  const one = documentOf({ type: "object", properties });
  const three = ['{"age":1}', '{"age":null}', '{"age":3}'];
  expect(fromCsv('age\n1\n""\n3\n', one)).toEqual(three);
  expect(fromCsv("\n\nage\r\n1\r\n\r\n3\r\n\r\n", one)).toEqual(three);
  expect(fromCsv('age\n1\n""\n', one)).toEqual(three.slice(0, 2));
  expect(fromCsv("age\r1\r2\r", one)).toEqual(['{"age":1}', '{"age":2}']);
  expect(() => fromCsv("city,rooms\nx,1\r2\n")).toThrow("row 2, has 1 cells");
});

test("a number with zeros before it is a text where texts are taken", () => {
  const properties = { zip: { type: ["integer", "string"] } };
  const document = documentOf({ type: "object", properties });
  expect(fromCsv("zip\n007\n7\n0\n", document)).toEqual([
    '{"zip":"007"}',
    '{"zip":7}',
    '{"zip":0}',
  ]);
});

test("a file that is not there is said by its name", () => {
  expect(() => readOwnRows("/nowhere/rows.csv")).toThrow(
    /^\/nowhere\/rows\.csv cannot be read: ENOENT/,
  );
});
