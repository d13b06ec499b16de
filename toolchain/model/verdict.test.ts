import { describe, expect, test } from "vitest";
import { lateVerdict, replicaOf, servesAnother, verdictOf, type Replica } from "./verdict.ts";

const wanted = { name: "churn", alias: "production", version: "3" };
const said = (more: object = {}) =>
  JSON.stringify({
    ...{ name: "churn", version: "3", alias: "production", digest: "d" },
    ...{ loadedAt: "2026-01-01T00:00:00.000Z", ...more },
  });
const replica = (more: object = {}) => replicaOf("inference-0", said(more), wanted);

describe("a replica", () => {
  test.each([
    [{}, "serves it"],
    [{ version: "2" }, "not yet"],
    [{ version: "2", refused: { version: "1", reason: "x" } }, "not yet"],
    [{ version: "2", refused: { version: "3", reason: "x" } }, "refused it"],
    [{ name: "iris" }, "another model"],
    [{ alias: "blue" }, "another model"],
    [{ alias: undefined }, "another model"],
  ])("that says %j: %s", (more, state) => {
    expect(replica(more).state).toBe(state);
  });

  test("that serves nothing says why, and one that is gone nothing", () => {
    const nothing = JSON.stringify({
      title: "Service unavailable",
      detail: "No model. MLflow: 500",
    });
    expect(replicaOf("a", nothing, wanted)).toMatchObject({ state: "not yet", reason: /MLflow/ });
    for (const gone of [null, "<html>", "{}"]) {
      expect(replicaOf("a", gone, wanted).state).toBe("no answer");
    }
  });
});

describe("the verdict of all replicas", () => {
  const serves = replica();
  const refusal = "color was string and is integer; allowContractChange lets it through";
  const refuses = replica({ version: "2", refused: { version: "3", reason: refusal } });
  const waits = replica({ version: "2", check: { reason: "MLflow does not answer" } });
  const judge = (...replicas: Replica[]) => verdictOf("dev", wanted, replicas);

  test("waits for each of them", () => {
    expect(judge(serves, waits)).toBeUndefined();
    expect(judge(refuses, waits)).toBeUndefined();
    expect(judge(serves, replicaOf("b", null, wanted))).toBeUndefined();
    expect(lateVerdict("dev", wanted, [serves, waits], 60_000)).toMatchObject({
      outcome: "late",
      sentence: "1 of 2 replicas had not taken churn version 3 after 60 s: MLflow does not answer",
    });
  });

  test("of patience at its end keeps what those said that refused it", () => {
    const { sentence } = lateVerdict(
      "dev",
      wanted,
      [refuses, replicaOf("b", null, wanted)],
      60_000,
    );
    expect(sentence).toContain(
      "1 of 2 replicas had not taken churn version 3 after 60 s, 1 refused it",
    );
    expect(sentence).toContain(refusal);
  });

  test("names the alias that a replica follows in place of this one", () => {
    const other = replica({ alias: "staging" });
    expect(judge(other)).toMatchObject({
      sentence: expect.stringContaining("alias staging") as string,
    });
  });

  test("is that they serve it, or that some refused it, with the setting that would let it", () => {
    expect(judge(serves, serves)).toMatchObject({ outcome: "served" });
    expect(judge(serves, refuses)).toMatchObject({ outcome: "refused" });
    expect(judge(serves, refuses)?.sentence).toContain(
      `: ${refusal}. To have it served: \`npx pulumi config set allowContractChange true -s dev && npx pulumi up -s dev\``,
    );
  });

  test("is that it needs more memory than the replicas have, whatever that is", () => {
    const reason = "the model does not fit into memory: of the limit of 512 MB, 198 MB are left";
    const small = replica({ version: "2", refused: { version: "3", reason } });
    expect(judge(small)?.sentence).toContain("`npx pulumi config set memory 1024MB -s dev &&");
  });

  test("is none where nothing serves that model", () => {
    expect(judge()).toMatchObject({ outcome: "elsewhere" });
    expect(judge(replica({ name: "iris" }))).toMatchObject({
      outcome: "elsewhere",
      sentence:
        "the stack dev is set to serve churn and does not yet (it serves iris): `npx pulumi up -s dev`",
    });
  });
});

test.each([
  [{ model: "churn" }, undefined],
  [{ model: "churn", modelAlias: "production" }, undefined],
  [{ model: "iris" }, "`npx pulumi config set model churn -s dev && npx pulumi up -s dev`"],
  [{ model: "churn", modelAlias: "blue" }, "follows the alias blue of churn, not production"],
  [
    { model: "churn", modelStage: "Production" },
    "`npx pulumi config rm modelStage -s dev && npx pulumi config set modelAlias",
  ],
] as const)("a stack set to %j", (config, says) => {
  const sentence = servesAnother(
    "dev",
    { modelAlias: undefined, modelStage: undefined, ...config },
    wanted,
  );
  if (says === undefined) expect(sentence).toBeUndefined();
  else expect(sentence).toContain(says);
});
