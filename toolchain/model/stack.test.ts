import { describe, expect, test } from "vitest";
import { parseConfig } from "../../infra/config.ts";
import { asksRegistry, connectionOf, rawConfig } from "./stack.ts";

const attached = {
  "inference-stack:dependencies": { value: "attach", secret: false },
  "inference-stack:mlflowUrl": { value: "http://mlflow:5000", secret: false },
  "inference-stack:dependencyNetwork": { value: "theirs", secret: false },
  "inference-stack:model": { value: "iris_p2", secret: false },
  "inference-stack:modelStage": { value: "Production", secret: false },
  "inference-stack:mlflowToken": { value: "t0ken", secret: true },
  "other:key": { value: "x", secret: false },
};
const config = (configured: Parameters<typeof rawConfig>[0]) =>
  parseConfig({ stack: "dev", ...rawConfig(configured) });
const deployed = (registry?: object) => ({
  deployment: {
    resources: [
      {
        type: "pulumi:pulumi:Stack",
        outputs: registry ? { registry: { plaintext: JSON.stringify(registry) } } : {},
      },
    ],
  },
});

describe("the registry of a stack", () => {
  test("that runs elsewhere is the one configured, whatever was up before", () => {
    const old = deployed({ mlflowUrl: "http://old:5000", model: "iris" });
    for (const state of [{}, old]) {
      expect(connectionOf("dev", config(attached), state)).toEqual({
        mlflowUrl: "http://mlflow:5000",
        network: "theirs",
        mlflowToken: "t0ken",
        model: "iris_p2",
        modelStage: "Production",
      });
    }
  });

  test("that comes with it is the one that is up, with the model configured now", () => {
    const state = deployed({ mlflowUrl: "http://mlflow:5000", model: "iris", network: "own" });
    const now = config({
      "inference-stack:dependencies": { value: "deploy" },
      "inference-stack:model": { value: "pipeline" },
    });
    expect(connectionOf("dev", now, state)).toEqual({
      mlflowUrl: "http://mlflow:5000",
      network: "own",
      model: "pipeline",
    });
  });

  test("is not asked before an `up` where another was", () => {
    const theirs = connectionOf("dev", config(attached), {});
    expect(asksRegistry(deployed(theirs), theirs)).toBe(true);
    expect(
      asksRegistry(deployed({ mlflowUrl: "http://mlflow:5000", network: "own" }), theirs),
    ).toBe(false);
    expect(asksRegistry({}, theirs)).toBe(false);
  });

  test.each([
    [{}, "`npx pulumi config set dependencies deploy -s dev && npx pulumi up -s dev`"],
    [{ "inference-stack:dependencies": { value: "deploy" } }, "one (`npx pulumi up -s dev`)"],
  ])("of %j is none before it is up", (configured, way) => {
    expect(() => connectionOf("dev", config(configured), {})).toThrow(way);
  });
});
