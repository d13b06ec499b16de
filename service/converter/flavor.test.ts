import { expect, test } from "vitest";
import { flavorOf, unserved } from "./flavor.ts";

const mlmodel = (...flavors: string[]): string =>
  `flavors:\n${["python_function", ...flavors].map((each) => `  ${each}:\n    data: x\n`).join("")}`;

test.each([
  ["onnx", mlmodel("onnx")],
  ["sklearn", mlmodel("sklearn")],
  ["onnx", mlmodel("sklearn", "onnx")],
])("a model is %s by what its MLmodel says", (flavor, text) => {
  expect(flavorOf(text)).toBe(flavor);
});

test("a model of another flavor is told of by its flavor", () => {
  const flavor = flavorOf(mlmodel("pytorch"));
  expect(flavor).toEqual({ other: ["python_function", "pytorch"] });
  expect(unserved(["python_function", "pytorch"])).toMatch(/^it is a model of pytorch, /);
  expect(unserved(["python_function"])).toMatch(/^it is a model of python_function, /);
  expect(unserved([])).toMatch(/^it is a model of no flavor that is known, /);
});

test.each(["flavors: sklearn", "flavors: [sklearn]"])("%s names no flavors", (text) => {
  expect(() => flavorOf(text)).toThrow(/names no flavors/);
});
