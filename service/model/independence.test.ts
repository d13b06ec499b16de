import { expect, test } from "vitest";
import { testModel } from "../testing.ts";
import { independent, VARIED, vary } from "./independence.ts";
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
