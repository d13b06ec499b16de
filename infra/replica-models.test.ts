import { expect, test } from "vitest";
import { modelStatus } from "./replica-models.ts";

const answer = (version: string, more: object = {}): string =>
  JSON.stringify({ name: "credit", version, digest: "d", ...more });

test("replicas that serve the same are counted together, and what they refused is said", () => {
  const refused = { version: "4", reason: "it cannot be converted", at: "2026-01-01T00:00:00Z" };
  expect(
    modelStatus([answer("3", { refused }), answer("3", { refused }), answer("2"), "<html>", "{}"]),
  ).toEqual([
    {
      name: "credit",
      version: "3",
      replicas: 2,
      refused: { version: "4", reason: "it cannot be converted" },
    },
    { name: "credit", version: "2", replicas: 1, refused: undefined },
  ]);
});
