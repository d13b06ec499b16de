import { expect, test } from "vitest";
import { parseConfig } from "../config.ts";
import { complaint } from "./records.ts";

const config = (values: Record<string, string> = {}) =>
  parseConfig({
    stack: "dev",
    values: {
      dependencies: "attach",
      mlflowUrl: "http://mlflow:5000",
      model: "credit",
      ...values,
    },
    secretKeys: new Set(),
  });
const stage = { modelStage: "Production" };

test.each(["onnx", "sklearn"] as const)("a version that is %s can be served", (flavor) => {
  const found = { kind: "found", version: "3", flavor } as const;
  expect(complaint("dev", config(stage), found)).toBeUndefined();
});

test("one of another flavor is named with it", () => {
  const flavor = { other: ["python_function", "pytorch"] };
  expect(complaint("dev", config(stage), { kind: "found", version: "3", flavor })).toBe(
    "version 3 of the registered model credit, which the stage Production points at, cannot be served: " +
      "it is a model of pytorch, and what is served are onnx and sklearn. Give the stage Production to " +
      "another version in the MLflow at http://mlflow:5000, or name another model: " +
      "`npx pulumi config set model NAME -s dev`.",
  );
});

test("a model that there is not is told of with those that there are", () => {
  expect(complaint("dev", config(), { kind: "no model", others: ["iris_p2", "wine"] })).toBe(
    "model is credit, but the MLflow at http://mlflow:5000 has no registered model of this name. " +
      "It has: iris_p2, wine. Name one: `npx pulumi config set model iris_p2 -s dev`.",
  );
});

test("an alias that there is not is told of with those that there are", () => {
  const finding = {
    kind: "no pointer",
    aliases: { champion: "2" },
    stages: { Production: "3" },
  } as const;
  expect(complaint("dev", config(), finding)).toBe(
    "no version of the registered model credit in the MLflow at http://mlflow:5000 has the alias production. " +
      "Its aliases: champion (version 2); its stages: Production (version 3). " +
      "Follow one of them: `npx pulumi config set modelAlias champion -s dev`.",
  );
});

test.each([
  [
    {},
    { Production: "3" },
    "Follow one of them: `npx pulumi config set modelStage Production -s dev`.",
  ],
  [
    { modelAlias: "blue" },
    { Production: "3" },
    "Follow one of them: `npx pulumi config rm modelAlias -s dev` and " +
      "`npx pulumi config set modelStage Production -s dev`.",
  ],
  [
    stage,
    { None: "3" },
    "Give the stage Production to one of its versions there, then run `npx pulumi up -s dev` again, " +
      "or name another model: `npx pulumi config set model NAME -s dev`.",
  ],
])("%j where the stages are %j: a way out that can be gone", (values, stages, wayOut) => {
  const said = complaint("dev", config(values), { kind: "no pointer", aliases: {}, stages });
  expect(said).toContain(wayOut);
});

test.each([
  ["mlflow:5000 answered 403: Invalid Host header", "Correct what it says"],
  [
    "mlflow:5000 answered 401: no",
    "Correct it, such as with `npx pulumi config set --secret mlflowPassword -s dev`",
  ],
  [
    "S3 at minio:9000: no such key",
    "Correct it, such as with `npx pulumi config set --secret s3SecretKey -s dev`",
  ],
])("what the registry or its store refuses is said in its words: %s", (reason, wayOut) => {
  expect(complaint("dev", config(), { kind: "refused", reason })).toBe(
    `the registered model credit cannot be had from the MLflow at http://mlflow:5000: ${reason}. ` +
      `${wayOut}, then run \`npx pulumi up -s dev\` again.`,
  );
});
