import { describe, expect, it } from "vitest";
import { makeContract, type ModelFacts } from "./contract.ts";
import { parseMLmodel } from "./signature.ts";
import type { Dimension, ElementType, TensorSpec } from "./types.ts";

const tensor = (name: string, type: ElementType, shape: Dimension[]): TensorSpec => ({
  name,
  type,
  shape,
});
const facts = (
  inputs: TensorSpec[],
  outputs = [tensor("y", "float32", [null])],
  metadata = {},
): ModelFacts => ({
  inputs,
  outputs,
  classLabels: new Map(),
  zipped: new Set(),
  metadata: new Map(Object.entries(metadata)),
});
const signature = (inputs: unknown, outputs?: unknown) =>
  parseMLmodel(
    JSON.stringify({
      signature: {
        inputs: JSON.stringify(inputs),
        outputs: outputs === undefined ? null : JSON.stringify(outputs),
      },
    }),
  );
const column = (name: string, type = "double", required = true) => ({ name, type, required });
const table = tensor("X", "float32", [null, 2]);

describe("contract", () => {
  it("names the columns of a table from the signature, the metadata, or by number", () => {
    const names = (...args: Parameters<typeof makeContract>) =>
      makeContract(...args).fields.map(({ name }) => name);
    expect(names(facts([table]), signature([column("a"), column("b")]))).toEqual(["a", "b"]);
    expect(names(facts([table], undefined, { feature_names: '["p", "q"]' }))).toEqual(["p", "q"]);
    expect(names(facts([table]))).toEqual(["feature_0", "feature_1"]);
    expect(
      names(facts([tensor("X", "float32", [null, null])]), signature([column("a"), column("b")])),
    ).toEqual(["a", "b"]);
  });

  it("lets an array be left out only where its size is known", () => {
    const field = (shape: Dimension[]) =>
      makeContract(
        facts([tensor("x", "float32", shape)]),
        signature([column("x", "double", false)]),
      ).fields[0];
    expect(field([null, 2, 3])).toMatchObject({ nullable: true, optional: true });
    expect(field([null, 2, null])).toMatchObject({ nullable: true, optional: false });
  });

  it("takes integers, and not halves, for a long column of a float table", () => {
    const { fields } = makeContract(
      facts([table]),
      signature([column("a", "long"), column("b", "boolean")]),
    );
    expect(fields.map(({ kind }) => kind)).toEqual(["integer", "boolean"]);
  });

  it.each([
    [
      "three columns for two features",
      facts([table]),
      [column("a"), column("b"), column("c")],
      /3 columns.*2 features/,
    ],
    [
      "text for numbers",
      facts([table]),
      [column("a", "string"), column("b")],
      /"a" as string.*"X" of float32/,
    ],
    [
      "another input",
      facts([tensor("p", "float32", [null]), tensor("q", "float32", [null])]),
      [column("p"), column("r")],
      /columns p, r.*inputs p, q/,
    ],
    [
      "another dtype",
      facts([table]),
      [{ type: "tensor", "tensor-spec": { dtype: "int64", shape: [-1, 2] } }],
      /int64 \[any, 2\].*"X" of float32/,
    ],
    [
      "another width",
      facts([table]),
      [{ type: "tensor", "tensor-spec": { dtype: "float32", shape: [-1, 5] } }],
      /\[any, 5\].*\[any, 2\]/,
    ],
  ])("refuses a signature with %s, naming both", (_, model, inputs, message) => {
    expect(() => makeContract(model, signature(inputs))).toThrow(
      /signature and the ONNX model disagree/,
    );
    expect(() => makeContract(model, signature(inputs))).toThrow(message);
  });

  it("refuses a signature whose outputs are others", () => {
    const outputs = [{ name: "y", type: "tensor", "tensor-spec": { dtype: "int64", shape: [-1] } }];
    expect(() =>
      makeContract(facts([table]), signature([column("a"), column("b")], outputs)),
    ).toThrow(/"y" of int64.*"y" of float32/);
  });

  it("refuses types that JSON rows cannot fill, by name", () => {
    expect(() => makeContract(facts([tensor("X", "float16", [null, 2])]))).toThrow(
      /"X" is of float16/,
    );
    expect(() => makeContract(facts([tensor("X", "float32", [])]))).toThrow(/"X" is a scalar/);
    expect(() => makeContract(facts([]))).toThrow(/no inputs/);
    expect(() => signature([column("raw", "binary")])).toThrow(/"raw".*"binary"/);
    expect(() => makeContract(facts([table]), signature([column("a"), column("a")]))).toThrow(
      /"a" twice/,
    );
  });

  it("takes a signature inferred from doubles for a model of floats", () => {
    const tensors = [{ type: "tensor", "tensor-spec": { dtype: "float64", shape: [-1, 2] } }];
    expect(makeContract(facts([table]), signature(tensors)).fields).toHaveLength(2);
  });

  const label = (type: ElementType) => tensor("label", type, [null]);
  const chances = tensor("probabilities", "float32", [null, 2]);
  const unnamed = (dtype: string, shape = [-1]) => [
    { type: "tensor", "tensor-spec": { dtype, shape } },
  ];
  it.each([
    ["labels of numbers", [label("int64"), chances], unnamed("int64"), ["label"]],
    ["labels of texts", [label("string"), chances], unnamed("object"), ["label"]],
    ["boolean labels", [label("int64"), chances], unnamed("bool"), ["label"]],
    ["labels kept as floats", [label("int64"), chances], unnamed("float64"), ["label"]],
    ["predict_proba", [label("string"), chances], unnamed("float64", [-1, 2]), ["probabilities"]],
    [
      "a regression's predictions",
      [tensor("variable", "float32", [null, 1])],
      unnamed("float64"),
      ["variable"],
    ],
    [
      "a table of predictions",
      [label("int64"), chances],
      [column("prediction", "long")],
      ["label", "probabilities"],
    ],
  ])("answers what a signature inferred from %s has", (_, outputs, declared, kept) => {
    const columns = signature([column("a"), column("b")], declared);
    expect(makeContract(facts([table], outputs), columns).outputs.map(({ name }) => name)).toEqual(
      kept,
    );
  });

  it("names the one column of a lone input after the input", () => {
    for (const name of ["text", "input"]) {
      const { fields } = makeContract(facts([tensor(name, "string", [null, 1])]));
      expect(fields.map((field) => field.name)).toEqual([name]);
    }
  });

  it("knows a classifier by a label beside probabilities, with names from the model", () => {
    const outputs = [
      tensor("label", "int64", [null]),
      tensor("probabilities", "float32", [null, 2]),
    ];
    const { classes } = makeContract(facts([table], outputs, { class_names: '["no", "yes"]' }));
    expect(classes).toEqual({
      label: 0,
      probabilities: 1,
      labels: [0, 1],
      original: undefined,
      names: ["no", "yes"],
    });
    expect(makeContract(facts([table])).classes).toBeUndefined();
  });
});
