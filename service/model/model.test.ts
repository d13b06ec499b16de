import { mkdirSync, mkdtempSync, copyFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { describedModel, testModel, testService } from "../testing.ts";
import { loadModel } from "./model.ts";

const source = join(import.meta.dirname, "../../test/models/regression/model.onnx");
const table = (rows: number[][]) => ({ columns: ["a", "b", "c"], data: rows });
const described = (files: Record<string, unknown>) =>
  describedModel(
    "regression",
    { inputs: ["a", "b", "c"].map((name) => ({ type: "double", name, required: true })) },
    files,
  );

test("a model that nobody named is called like its file, or like its folder", () => {
  const folder = join(mkdtempSync(join(tmpdir(), "models-")), "churn");
  mkdirSync(folder);
  const place = (name: string) => {
    copyFileSync(source, join(folder, name));
    return join(folder, name);
  };
  const named = (path: string) => loadModel(path, {}, { threads: 1 }).name;
  expect(named(place("credit.onnx"))).toBe("credit");
  expect(named(place("model.onnx"))).toBe("churn");
  expect(named(folder)).toBe("churn");
  expect(named(`${folder}/`)).toBe("churn");
  expect(loadModel(folder, { name: "iris" }, { threads: 1 }).name).toBe("iris");
});

test("a model of a stage says so, and does not call the stage an alias", async () => {
  const told = async (pointer: object) => {
    const { app, services } = testService();
    const folder = join(import.meta.dirname, "../../test/models/regression");
    services.slot.put(loadModel(folder, pointer, { threads: 1 }));
    return (await app.request("/model")).json();
  };
  expect(await told({ stage: "Production" })).toMatchObject({ stage: "Production" });
  expect(await told({ stage: "Production" })).not.toHaveProperty("alias");
  expect(await told({ alias: "blue" })).not.toHaveProperty("stage");
});

test("a model's own rows are its sample's, else those of its input example", () => {
  const files = {
    "sample_rows.json": [{ a: 1, b: 2, c: 3 }],
    "serving_input_example.json": { dataframe_split: table([[4, 5, 6]]) },
    "input_example.json": table([[7, 8, 9]]),
  };
  const first = (...names: (keyof typeof files)[]) =>
    described(Object.fromEntries(names.map((name) => [name, files[name]]))).contract.example["a"];
  expect(first("input_example.json", "serving_input_example.json", "sample_rows.json")).toBe(1);
  expect(first("input_example.json", "serving_input_example.json")).toBe(4);
  expect(first("input_example.json")).toBe(7);
});

test("rows that do not fit the model are none of its own, and one is made up to show", () => {
  const { contract } = described({
    "sample_rows.json": [{ a: "x", b: 2, c: 3 }, { a: 1 }],
    "serving_input_example.json": { other: 1 },
  });
  expect(contract.examples).toEqual([]);
  expect(contract.example).toEqual({ a: 0.5, b: 0.5, c: 0.5 });
});

test("a file of rows that is too large to read is left alone", () => {
  const large = JSON.stringify(Array.from({ length: 200_000 }, () => ({ a: 1, b: 2, c: 3 })));
  const folder = mkdtempSync(join(tmpdir(), "large-"));
  copyFileSync(source, join(folder, "model.onnx"));
  writeFileSync(join(folder, "sample_rows.json"), large);
  expect(loadModel(folder, {}, { threads: 1 }).contract.examples).toEqual([]);
});

test("rows that a model has in one row are a part each, so that requests share its runs", () => {
  const model = testModel("labels_in_a_row");
  expect(model.rowwise).toBe(true);
  expect(model.contract.outputs[0]?.shape).toEqual([null]);
  expect(testModel("whole_run").rowwise).toBe(false);
});

test("what a model's description names is in its folder, and the description is short", () => {
  const folder = mkdtempSync(join(tmpdir(), "outside-"));
  copyFileSync(source, join(folder, "model.onnx"));
  mkdirSync(join(folder, "inner"));
  copyFileSync(source, join(folder, "inner", "model.onnx"));
  const load = (mlmodel: string) => {
    writeFileSync(join(folder, "inner", "MLmodel"), mlmodel);
    return () => loadModel(join(folder, "inner"), {}, { threads: 1 });
  };
  expect(load("flavors: {onnx: {data: model.onnx}}")).not.toThrow();
  for (const path of ["../model.onnx", "../../../../dev/zero", "/dev/zero"]) {
    expect(load(`flavors: {onnx: {data: ${path}}}`)).toThrow(/which is not allowed/);
  }
  expect(load(`flavors: {onnx: {data: model.onnx}}\n#${"x".repeat(3_000_000)}`)).toThrow(
    /MLmodel is no file of at most 2 MB/,
  );
});
