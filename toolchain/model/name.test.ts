import { expect, test } from "vitest";
import { nameOf } from "./name.ts";

test.each([
  ["pipeline.pkl", "pipeline"],
  ["out/churn model (v2).joblib", "churn-model-v2"],
  ["service/models/iris", "iris"],
  ["service/models/iris/", "iris"],
  ["größe.onnx", "größe"],
  ["out/iris-1.0", "iris-1.0"],
  ["fraud.v2/", "fraud.v2"],
  ["churn-2.1.PKL", "churn-2.1"],
  ["models:/iris_p2/3", "iris_p2"],
  ["models:/iris_p2@champion", "iris_p2"],
  ["runs:/0123abc/model", "model"],
  ["runs:/0123abc/models/churn", "churn"],
  ["$(rm).pkl", "rm"],
  ["models:/", undefined],
])("%s is published as %s unless told", (source, name) => {
  expect(nameOf(source)).toBe(name);
});
