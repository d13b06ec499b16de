import { expect, test } from "vitest";
import { contractChange } from "./compatible.ts";
import type { Contract, Field } from "./types.ts";

const field = (name: string, changes: Partial<Field> = {}): Field => ({
  name,
  kind: "number",
  type: "float32",
  min: undefined,
  max: undefined,
  nullable: false,
  optional: false,
  shape: [],
  input: 0,
  column: 0,
  ...changes,
});
const contract = (fields: Field[], changes: Partial<Contract> = {}): Contract => ({
  inputs: [],
  outputs: [{ name: "label", type: "int64", shape: [null] }],
  fields,
  classes: undefined,
  rowsPerRun: "any",
  shareable: true,
  examples: [],
  example: {},
  ...changes,
});
const before = contract([field("age", { kind: "integer" }), field("income", { optional: true })]);

test.each([
  ["the same", contract([field("age", { kind: "integer" }), field("income", { optional: true })])],
  ["the same, told in another order", contract([...before.fields].reverse())],
  ["a wider number", contract([field("age"), field("income", { optional: true })])],
  [
    "one more optional field",
    contract([...before.fields, field("region", { optional: true, kind: "string" })]),
  ],
  [
    "an output whose size was not told",
    contract([...before.fields], { outputs: [{ name: "label", type: "int64", shape: [4] }] }),
  ],
])("lets pass %s", (_, after) => {
  expect(contractChange(before, after)).toBeUndefined();
});

test.each([
  ["a field that is gone", contract([field("age")]), "income is not taken any more"],
  [
    "a field of another kind",
    contract([field("age", { kind: "string" }), field("income", { optional: true })]),
    "age was integer and is string",
  ],
  [
    "a field that must be given now",
    contract([field("age"), field("income")]),
    "income was optional and is required",
  ],
  [
    "a new field that must be given",
    contract([...before.fields, field("region")]),
    "region is required and was not known",
  ],
  [
    "an output of another kind",
    contract([...before.fields], { outputs: [{ name: "label", type: "string", shape: [null] }] }),
    "the output label was int64 and is string",
  ],
  [
    "a narrower output",
    contract([...before.fields], { outputs: [{ name: "label", type: "int32", shape: [null] }] }),
    "the output label was int64 and is int32",
  ],
  [
    "an output of another shape",
    contract([...before.fields], { outputs: [{ name: "label", type: "int64", shape: [null, 2] }] }),
    "the output label had the shape [any] and has [any, 2]",
  ],
  ["an output that is gone", contract([...before.fields], { outputs: [] }), "label is gone"],
])("names %s", (_, after, reason) => {
  expect(contractChange(before, after)).toContain(reason);
});

test.each([
  ["another name", [{ name: "x", type: "float32", shape: [null, 2] }], "the input X is gone"],
  [
    "another type",
    [{ name: "X", type: "int32", shape: [null, 2] }],
    "the input X was float32 and is int32",
  ],
  [
    "another size",
    [{ name: "X", type: "float32", shape: [null, 3] }],
    "the input X had the shape [any, 2] and has [any, 3]",
  ],
] as const)("names an input tensor of %s", (_, inputs, reason) => {
  const was = contract([], { inputs: [{ name: "X", type: "float32", shape: [null, 2] }] });
  expect(contractChange(was, contract([], { inputs }))).toBe(reason);
  expect(contractChange(was, was)).toBeUndefined();
});

test("names columns of a table that have changed places", () => {
  const columns = (...names: string[]) =>
    contract(names.map((name, column) => field(name, { column })));
  expect(contractChange(columns("a", "b"), columns("b", "a"))).toBe(
    "a was column 0 of its input and is column 1; b was column 1 of its input and is column 0",
  );
  expect(contractChange(columns("a", "b"), columns("a", "b"))).toBeUndefined();
});

test("names classes that are gone, and what they were called", () => {
  const classified = (labels: number[], names?: string[]) =>
    contract([], {
      classes: { label: 0, probabilities: undefined, labels, original: undefined, names },
    });
  const three = classified([0, 1, 2], ["a", "b", "c"]);
  expect(contractChange(three, classified([0, 1, 2]))).toBe(
    "the names of its classes (a, b, c) are gone",
  );
  expect(contractChange(three, classified([0, 1, 2], ["c", "b", "a"]))).toBe(
    "its classes were called a, b, c and are called c, b, a",
  );
  expect(contractChange(classified([0, 1, 2]), classified([5, 6, 7]))).toBe(
    "the classes 0, 1, 2 are gone: it has 5, 6, 7",
  );
  expect(contractChange(classified([0, 1]), classified([0, 1, 2]))).toBeUndefined();
  expect(contractChange(three, three)).toBeUndefined();
});

test("tells labels of one kind from those of another in the same tensors", () => {
  const labelled = (...original: (boolean | number | string)[]) =>
    contract([], {
      classes: { label: 0, probabilities: undefined, labels: [0, 1], original, names: undefined },
    });
  expect(contractChange(labelled(false, true), labelled(1, 2))).toContain(
    "the label was boolean and is integer",
  );
  expect(contractChange(labelled(3, 4), labelled(3, 4, 9))).toBeUndefined();
});
