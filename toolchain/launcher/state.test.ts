import { expect, test } from "vitest";
import { engineOf, identityOf } from "./state.mjs";

const command = (name: string, stdout: unknown) => ({
  urn: `urn:pulumi:dev::inference-stack::command:local:Command::${name}`,
  type: "command:local:Command",
  id: `${name}0a1b`,
  outputs: { stdout },
});
const network = {
  urn: "urn:pulumi:dev::inference-stack::docker:index/network:Network::network",
  type: "docker:index/network:Network",
  id: "n1",
  inputs: {
    labels: [
      { label: "inference-stack.stack", value: "dev" },
      { label: "inference-stack.clone", value: "f2af6c09" },
    ],
  },
};

test("a state knows who its stack is and which engine it is on", () => {
  const state = [network, command("engine", "ABCD:EF"), command("identity", "0a1b2c3d")];
  expect(identityOf(state)).toBe("0a1b2c3d");
  expect(engineOf(state)).toBe("ABCD:EF");
});

test("one from before that has the identity in its labels", () => {
  expect(identityOf([command("loadtest-secret", { secret: 1 }), network])).toBe("f2af6c09");
  expect(engineOf([network])).toBeUndefined();
});

test("no state, and one of a stack that is not up, know nothing", () => {
  for (const nothing of [undefined, [], [command("other", "x")], [command("identity", "")]]) {
    expect(identityOf(nothing)).toBeUndefined();
    expect(engineOf(nothing)).toBeUndefined();
  }
});
