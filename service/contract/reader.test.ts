import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseJson } from "../json.ts";
import { makeContract } from "./contract.ts";
import { RowDecoder } from "./decode.ts";
import { RowReader } from "./reader.ts";
import { allocate, type Contract, type ElementType, type Row, type TensorData } from "./types.ts";

const MOST_ROWS = 8;

const contractOf = (types: Readonly<Record<string, ElementType>>): Contract =>
  makeContract({
    inputs: Object.entries(types).map(([name, type]) => ({ name, type, shape: [null] })),
    outputs: [{ name: "y", type: "float32", shape: [null] }],
    classLabels: new Map(),
    zipped: new Set(),
    metadata: new Map(),
  });

const FLOATS = { sepal_length: "float32", größe: "float64", 'a"b\\': "float32" } as const;
const INTEGERS = { long: "int64", int: "int32", flag: "bool", real: "float64" } as const;

/** What both ways of reading make of a body: undefined where it is not read. */
function bothWays(contract: Contract, body: Buffer) {
  const decoder = new RowDecoder(contract);
  const storage = (rows: number): TensorData[] =>
    contract.inputs.map(({ type }) => allocate(type, rows));
  const widths = contract.inputs.map(() => 1);
  const bytes = (inputs: readonly TensorData[]): Buffer[] =>
    inputs.map((data) => Buffer.from((data as Float64Array).buffer));

  const read = new RowReader(contract).read(body, MOST_ROWS);
  const quick = storage(read?.count ?? 0);
  read?.write(0, read.count, quick, widths, 0);

  const parsed = parseJson(body, decoder.exact);
  const value = "value" in parsed ? parsed.value : undefined;
  const single = !Array.isArray(value);
  const rows = (single ? [value] : value) as readonly Row[];
  const taken =
    rows.length > 0 && rows.length <= MOST_ROWS && decoder.check(rows, single).length === 0;
  const general = storage(taken ? rows.length : 0);
  if (taken) decoder.write(rows, 0, rows.length, general, widths, 0);
  return {
    read: read && { count: read.count, single: read.single, inputs: bytes(quick) },
    general: taken ? { count: rows.length, single, inputs: bytes(general) } : undefined,
  };
}

const of = (name: string, value: string) => Buffer.from(`{${JSON.stringify(name)}:${value}}`);

describe("reading rows of the usual form", () => {
  it.each([
    '{"a":1,"b":2.5}',
    '[{"a":1,"b":2.5}]',
    '[{"a":1,"b":2.5},{"b":-0,"a":1e3},{"b":0.30000000000000004,"a":-1.5E-7}]',
    ' [ { "a": 1 , "b": 2 } ,\r\n\t{ "a": 12345678901234567890, "b": 0.0 } ] \n',
  ])("reads %s as the parser does", (text) => {
    const { read, general } = bothWays(
      contractOf({ a: "float32", b: "float64" }),
      Buffer.from(text),
    );
    expect(read).toBeDefined();
    expect(read).toEqual(general);
  });

  it.each([
    "",
    "[]",
    "{}",
    "[1]",
    '{"a":01}',
    '{"a":1.}',
    '{"a":.5}',
    '{"a":+1}',
    '{"a":-}',
    '{"a":1e}',
    '{"a":1e999}',
    '{"a":"1"}',
    '{"a":null}',
    '{"a":[1]}',
    '{"a":1,"a":2}',
    '{"a":1,"c":2}',
    '{"a":1,}',
    '{"a":1}{',
    '{"a":1}]',
    '[{"a":1}',
    '[{"a":1},]',
    '[{"a":1}}',
    '\u{feff}{"a":1}',
    '{"\\u0061":1}',
    `[${Array.from({ length: MOST_ROWS + 1 }, () => '{"a":1}').join()}]`,
  ])("leaves %s to the parser", (text) => {
    expect(bothWays(contractOf({ a: "float32" }), Buffer.from(text)).read).toBeUndefined();
  });

  it.each(['{"a":1,"a":2}', '{"b":1,"b":2}', '[{"b":1,"a":2},{"a":1,"a":2}]'])(
    "takes no field for another that is there twice: %s",
    (text) => {
      const contract = contractOf({ a: "float32", b: "float32" });
      expect(bothWays(contract, Buffer.from(text)).read).toBeUndefined();
    },
  );

  it("leaves an integer of many digits to the parser, and takes bytes that are no UTF-8 for no name", () => {
    const long = contractOf({ long: "int64" });
    expect(bothWays(long, of("long", "123456789012345")).read).toBeDefined();
    expect(bothWays(long, of("long", "9007199254740993")).read).toBeUndefined();
    expect(bothWays(long, of("long", "1e3")).read).toBeUndefined();
    const unknown = contractOf({ "\u{fffd}": "float32" });
    expect(bothWays(unknown, of("\u{fffd}", "1")).read).toBeDefined();
    expect(bothWays(unknown, Buffer.from('{"\xff":1}', "latin1")).read).toBeUndefined();
  });

  it("leaves rows to the parser that have a field without a name", () => {
    const contract = contractOf({ "": "float32", b: "float32" });
    const { read, general } = bothWays(contract, Buffer.from('{"":1,"b":2}'));
    expect([read, general?.count]).toEqual([undefined, 1]);
  });

  it("reads keys in an order that changes from row to row", () => {
    const contract = contractOf({ a: "float32", b: "float32", c: "float32" });
    const orders = ["abc", "cab", "bca", "acb", "cba", "bac", "abc"].map((text) => text.split(""));
    const rows = orders.map(
      (order, i) => `{${order.map((name, k) => `"${name}":${i * 10 + k}`).join()}}`,
    );
    const { read, general } = bothWays(contract, Buffer.from(`[${rows.join()}]`));
    expect(read).toBeDefined();
    expect(read).toEqual(general);
  });

  it("gives what the parser gives, or leaves it to the parser", () => {
    const digits = fc.stringMatching(/^[0-9]{1,25}$/);
    const usual = fc.oneof(
      fc.integer({ min: -1000, max: 1000 }).map(String),
      fc.double({ min: -100, max: 100, noNaN: true }).map((value) => value.toFixed(3)),
      fc.constantFrom("0", "1", "-0"),
    );
    const any = fc.oneof(
      fc.double().map(String),
      fc.float().map(String),
      fc.integer().map(String),
      fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n }).map(String),
      fc.tuple(digits, digits).map(([a, b]) => `${a}.${b}`),
      fc.tuple(digits, fc.integer({ min: -400, max: 400 })).map(([a, b]) => `${a}e${b}`),
      fc.stringMatching(/^-?[0-9]{0,3}[.eE+-]{0,2}[0-9]{0,3}$/),
      fc.constantFrom("0", "-0", "1", "true", "null", '"1"', "[]", "1.0", "1e0", "NaN"),
    );
    const number = fc.oneof({ weight: 30, arbitrary: usual }, { weight: 1, arbitrary: any });
    const space = fc.oneof(
      { weight: 60, arbitrary: fc.constantFrom("", " ", "\n", "\t\r ") },
      fc.constant("\f"),
    );
    const cases = [FLOATS, INTEGERS].map((types) => {
      const contract = contractOf(types);
      const names = Object.keys(types);
      const field = (name: string) =>
        fc.tuple(space, space, number, space).map(([a, b, value, c]) => {
          return `${a}${JSON.stringify(name)}:${b}${value}${c}`;
        });
      const row = fc
        .tuple(...names.map(field))
        .chain((fields) => fc.shuffledSubarray(fields, { minLength: fields.length - 1 }))
        .map((fields) => `{${fields.join()}}`);
      const body = fc.oneof(
        row,
        fc.array(row, { maxLength: MOST_ROWS + 1 }).map((rows) => `[${rows.join()}]`),
      );
      // A byte that is another one, or is not there.
      const harmed = fc
        .tuple(body, fc.nat(), fc.option(fc.nat(255)), fc.integer({ min: 0, max: 3 }))
        .map(([text, at, byte, often]) => {
          const bytes = Buffer.from(text);
          if (often > 0) return bytes;
          const place = at % bytes.length;
          if (byte !== null) bytes[place] = byte;
          return byte === null
            ? Buffer.concat([bytes.subarray(0, place), bytes.subarray(place + 1)])
            : bytes;
        });
      return { contract, harmed };
    });
    let seen = 0;
    for (const { contract, harmed } of cases) {
      fc.assert(
        fc.property(harmed, (body) => {
          const { read, general } = bothWays(contract, body);
          if (read === undefined) return;
          seen++;
          expect(read).toEqual(general);
        }),
        { numRuns: 5000 },
      );
    }
    expect(seen).toBeGreaterThan(500);
  });
});
