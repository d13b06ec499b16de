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
  ["columns in another order", contract([...before.fields].reverse())],
  ["a wider number", contract([field("age"), field("income", { optional: true })])],
  [
    "one more optional field",
    contract([...before.fields, field("region", { optional: true, kind: "string" })]),
  ],
  [
    "wider tensors behind the same JSON",
    contract([...before.fields], { outputs: [{ name: "label", type: "int32", shape: [null] }] }),
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
    "the output label was integer and is string",
  ],
  ["an output that is gone", contract([...before.fields], { outputs: [] }), "label is gone"],
])("names %s", (_, after, reason) => {
  expect(contractChange(before, after)).toContain(reason);
});

test("tells labels of one kind from those of another in the same tensors", () => {
  const labelled = (...original: (boolean | number | string)[]) =>
    contract([], {
      classes: { label: 0, probabilities: undefined, labels: [0, 1], original, names: undefined },
    });
  expect(contractChange(labelled(false, true), labelled(1, 2))).toBe(
    "the label was boolean and is integer",
  );
  expect(contractChange(labelled(3, 4), labelled(5, 7, 9))).toBeUndefined();
});
