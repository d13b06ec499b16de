import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { testModel, testService } from "../testing.ts";
import { independent, VARIED, vary } from "./independence.ts";
import { loadModel } from "./model.ts";
import { encodeField, encodeInteger } from "./protobuf.ts";
import type { Run } from "./session.ts";

/** Whether a model that has for the list of rows `x` the answers `answer(x)` is found independent. */
const tried = (answer: (x: readonly number[]) => number[]): boolean => {
  const data = [new Float32Array(VARIED)];
  vary(data, [1]);
  const run: Run = ([x]) => {
    const values = answer([...(x as Float32Array)]);
    return [{ data: Float64Array.from(values), dims: [values.length] }];
  };
  return independent(run, { count: VARIED, data, sizes: [[]] });
};
const sum = (x: readonly number[]) => x.reduce((a, b) => a + b, 0);

test.each<[string, (x: readonly number[]) => number[]]>([
  ["less the mean", (x) => x.map((v) => v - sum(x) / x.length)],
  ["added up", (x) => x.map((_, i) => sum(x.slice(0, i + 1)))],
  ["as a share of all", (x) => x.map((v) => Math.exp(v) / sum(x.map(Math.exp)))],
  ["sorted", (x) => x.toSorted((a, b) => a - b)],
  ["whether it is the greatest", (x) => x.map((v) => (v === Math.max(...x) ? 1 : 0))],
  ["less the mean, of three and more", (x) => x.map((v) => (x.length > 2 ? v - sum(x) : v))],
  ["times the others", (x) => x.map((v) => v * sum(x))],
])("finds that rows depend on each other: %s", (_, answer) => {
  expect(tried(answer)).toBe(false);
});

test("takes last digits that differ with the number of rows for the same answer", () => {
  expect(tried((x) => x.map((v) => v * 2 * (1 + 1e-7 * x.length)))).toBe(true);
});

test.each(["iris", "regression", "mlp", "forest_maps", "text_labels", "text_labels_maps"])(
  "%s answers each row by itself, so that requests share its runs",
  (name) => {
    expect(testModel(name).independent).toBe(true);
  },
);

/** The ONNX model y = x − mean of x over its rows. */
function lessItsMean(): string {
  const together = (...parts: Buffer[]) => Buffer.concat(parts);
  const dim = (size: number | string) =>
    encodeField(1, typeof size === "number" ? encodeInteger(1, size) : encodeField(2, size));
  const value = (name: string) => {
    const tensor = together(encodeInteger(1, 1), encodeField(2, together(dim("rows"), dim(2))));
    return together(encodeField(1, name), encodeField(2, encodeField(1, tensor)));
  };
  const node = (op: string, inputs: string[], output: string, ...attributes: Buffer[]) =>
    together(
      ...inputs.map((name) => encodeField(1, name)),
      encodeField(2, output),
      encodeField(4, op),
      ...attributes.map((attribute) => encodeField(5, attribute)),
    );
  const axes = together(encodeField(1, "axes"), encodeInteger(8, 0), encodeInteger(20, 7));
  const graph = together(
    encodeField(1, node("ReduceMean", ["x"], "mean", axes)),
    encodeField(1, node("Sub", ["x", "mean"], "y")),
    encodeField(2, "centred"),
    encodeField(11, value("x")),
    encodeField(12, value("y")),
  );
  const path = join(mkdtempSync(join(tmpdir(), "centred-")), "model.onnx");
  const opset = together(encodeField(1, ""), encodeInteger(2, 13));
  writeFileSync(path, together(encodeInteger(1, 8), encodeField(7, graph), encodeField(8, opset)));
  return path;
}

test("requests of strangers do not share a run of a model whose rows depend on each other", async () => {
  const { post } = testService(loadModel(lessItsMean(), { name: "centred" }, { threads: 1 }));
  const ask = (...rows: number[]) =>
    post("/v2/models/centred/infer", {
      inputs: [
        { name: "x", datatype: "FP32", shape: [rows.length, 2], data: rows.map((v) => [v, v]) },
      ],
    });
  const replies = await Promise.all([ask(1), ask(100), ask(1, 3)]);
  expect(
    replies.map(({ body }) => (body as { outputs: { data: number[] }[] }).outputs[0]?.data),
  ).toEqual([
    [0, 0],
    [0, 0],
    [-1, -1, 1, 1],
  ]);
});
