import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readGraph } from "./graph.ts";
import { encodeField, encodeInteger, fields } from "./protobuf.ts";

const bytes = (name: string): Buffer =>
  readFileSync(join(import.meta.dirname, "../../test/models", name, "model.onnx"));

describe("ONNX graph", () => {
  it("takes a map-sequence output out and keeps its name and labels", () => {
    const facts = readGraph(bytes("text_labels_maps"));
    expect([...facts.renamed.values()]).toEqual(["output_probability"]);
    expect(facts.zipped).toEqual(new Set(["output_probability"]));
    expect(facts.classLabels.get("output_label")?.[0]).toEqual([
      "setosa",
      "versicolor",
      "virginica",
    ]);
    expect(facts.rewritten?.includes("ZipMap")).toBe(false);
    expect(readGraph(facts.rewritten ?? Buffer.alloc(0)).rewritten).toBeUndefined();
  });

  it("finds the labels of a network whose classes are a constant", () => {
    expect(readGraph(bytes("mlp")).classLabels.get("label")).toEqual([[0, 1, 2]]);
  });

  it("leaves other models as they are", () => {
    expect(readGraph(bytes("regression"))).toMatchObject({
      rewritten: undefined,
      classLabels: new Map([["variable", []]]),
    });
  });

  it("says which input or output is of a type that cannot be served", () => {
    const value = (name: string, type: Buffer) =>
      Buffer.concat([encodeField(1, name), encodeField(2, type)]);
    const tensorOf = (element: number) => encodeField(1, encodeInteger(1, element));
    const graph = (side: 11 | 12, type: Buffer) =>
      encodeField(7, encodeField(side, value("it", type)));
    expect(() => readGraph(graph(11, tensorOf(16)))).toThrow(
      'The model\'s input "it" is a tensor of bfloat16; served are tensors of float32, float64, int32, int64, bool, string. Export',
    );
    expect(() => readGraph(graph(12, tensorOf(16)))).toThrow(
      /output "it" is a tensor of bfloat16; served are tensors of float32.*float16.*Cast/,
    );
    expect(() => readGraph(graph(12, encodeField(4, encodeField(1, tensorOf(1)))))).toThrow(
      /output "it" is a sequence; served are tensors of float32/,
    );
    expect(() => readGraph(graph(12, encodeField(9, encodeField(1, tensorOf(1)))))).toThrow(
      /output "it" is an optional value/,
    );
    expect(() => readGraph(graph(12, tensorOf(10)))).not.toThrow();
  });

  it("refuses bytes that are no model in one sentence, whatever they are", () => {
    expect(() => readGraph(Buffer.from("not a model"))).toThrow(/not an ONNX model/);
    expect(() => readGraph(Buffer.alloc(0))).toThrow(/not an ONNX model/);
    const whole = bytes("forest_maps");
    fc.assert(
      fc.property(fc.nat({ max: whole.length - 1 }), (length) => {
        // Cut anywhere, it is either refused so or still has a whole graph.
        try {
          readGraph(whole.subarray(0, length));
        } catch (error) {
          expect((error as Error).message).toMatch(/ONNX model/);
        }
      }),
    );
  });
});

describe("protobuf", () => {
  it("reads what it writes", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5000 }),
        fc.nat(),
        fc.string({ maxLength: 300 }),
        (number, value, text) => {
          const [a, b] = [
            ...fields(Buffer.concat([encodeInteger(number, value), encodeField(number, text)])),
          ];
          expect(a).toMatchObject({ number, value: BigInt(value) });
          expect(b?.bytes.toString()).toBe(Buffer.from(text).toString());
        },
      ),
    );
  });
});
