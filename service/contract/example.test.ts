import { describe, expect, it } from "vitest";
import { exampleRows } from "./example.ts";
import type { Field } from "./types.ts";

const field = (name: string, shape: Field["shape"] = []) => ({ name, shape }) as Field;
const two = [field("a"), field("b")];
const rows = (example: unknown, fields = two) =>
  exampleRows(JSON.stringify(example), fields, (row) =>
    fields.every(({ name }) => row[name] !== undefined),
  );

describe("rows that came with a model", () => {
  const [values, records] = [
    [
      [1, 2],
      [3, "x"],
    ],
    [
      { a: 1, b: 2 },
      { a: 3, b: "x" },
    ],
  ];
  it.each([
    ["sample_rows.json", records],
    ["dataframe_split", { dataframe_split: { columns: ["a", "b"], index: [0, 1], data: values } }],
    ["a table as log_model keeps it", { columns: ["a", "b"], data: values }],
    ["a table without names", { data: values }],
    ["dataframe_records", { dataframe_records: records }],
    ["inputs as a list", { inputs: values, params: {} }],
    ["inputs by column", { inputs: { a: [1, 3], b: [2, "x"] } }],
    ["inputs by column, each value in a list", { inputs: { a: [[1], [3]], b: [[2], ["x"]] } }],
    ["instances as lists", { instances: values }],
    ["instances as objects", { instances: records }],
    ["a bare list", values],
    ["bare columns", { a: [1, 3], b: [2, "x"] }],
  ])("are read from %s", (_, example) => {
    expect(rows(example)).toEqual(records);
  });

  it("are one where an example is one", () => {
    expect(rows({ inputs: { a: 1, b: "x" } })).toEqual([{ a: 1, b: "x" }]);
  });

  it("hold the value of the only field, scalar or array", () => {
    expect(rows({ inputs: ["x", "y"] }, [field("text")])).toEqual([{ text: "x" }, { text: "y" }]);
    expect(rows({ inputs: [[1], [2]] }, [field("text")])).toEqual([{ text: 1 }, { text: 2 }]);
    expect(rows({ inputs: [[1, 2]] }, [field("pixels", [2])])).toEqual([{ pixels: [1, 2] }]);
  });

  it.each([[{ inputs: [[1, 2, 3]] }], [{ other: 1 }], [[]], [7], [{ inputs: null }]])(
    "are none in %j",
    (example) => {
      expect(rows(example)).toEqual([]);
    },
  );

  it("have null where MLflow writes NaN, and texts as they are", () => {
    const example = '{"columns": ["a", "b"], "data": [[NaN, "NaN \\" NaN"], [-Infinity, 1]]}';
    expect(exampleRows(example, two, () => true)).toEqual([
      { a: null, b: 'NaN " NaN' },
      { a: null, b: 1 },
    ]);
  });

  it("are none in what is no JSON", () => {
    expect(exampleRows("{", two, () => true)).toEqual([]);
  });

  it("are those that are valid, a hundred at most, and few where they are large", () => {
    const many = Array.from({ length: 300 }, (_, i) => (i % 2 ? { a: i, b: i } : { a: i }));
    expect(rows(many)).toHaveLength(100);
    expect(rows(many)[0]).toEqual({ a: 1, b: 1 });
    const large = Array.from({ length: 100 }, () => ({ a: "x".repeat(100_000), b: 1 }));
    expect(rows(large)).toHaveLength(2);
    expect(rows([{ a: "x".repeat(300_000), b: 1 }])).toHaveLength(1);
  });
});
