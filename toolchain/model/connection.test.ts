import { describe, expect, test } from "vitest";
import { registryIn } from "./connection.ts";

const resource = (type: string, plaintext?: string) => ({
  type,
  outputs: plaintext === undefined ? {} : { registry: { plaintext } },
});
const state = (...resources: ReturnType<typeof resource>[]) => ({ deployment: { resources } });
const [stack, dependencies] = ["pulumi:pulumi:Stack", "inference-stack:index:Dependencies"];

describe("the connection in a stack's state", () => {
  test("is its dependencies' where an up did not come to its end", () => {
    expect(registryIn(state(resource(stack), resource(dependencies, "{}")))).toBe("{}");
    expect(registryIn(state(resource(stack, "old"), resource(dependencies, "new")))).toBe("new");
  });

  test("is the stack's own where the registry runs elsewhere", () => {
    expect(registryIn(state(resource(stack, "{}")))).toBe("{}");
  });

  test("is none in a stack without dependencies, or without anything", () => {
    expect(registryIn(state(resource(stack)))).toBeUndefined();
    expect(registryIn({})).toBeUndefined();
  });
});
