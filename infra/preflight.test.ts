import { describe, expect, test } from "vitest";
import { parseConfig } from "./config.ts";
import { checkLeast, checkLimits } from "./preflight.ts";

const engine = {
  ID: "an engine",
  NCPU: 2,
  MemTotal: 4 * 1024 ** 3,
  Swarm: { LocalNodeState: "inactive", ControlAvailable: false },
};
const check = (values: Record<string, string>) => () => {
  const config = parseConfig({ stack: "dev", values, secretKeys: new Set() });
  checkLeast("dev", config);
  checkLimits("dev", config, engine);
};

describe("limits", () => {
  test("that a replica runs in are taken", () => {
    expect(check({ memory: "56MB", cpus: "0.01" })).not.toThrow();
  });

  test.each([
    ["48MB", /memory is 48MB, but 56MB is the least .*`npx pulumi config set memory 56MB -s dev`/],
    ["5GB", /memory is 5120MB, but the engine's machine has 4096MB/],
  ])("of %s memory are refused before anything changes", (memory, words) => {
    expect(check({ memory })).toThrow(words);
  });

  test("of more cores than there are are refused", () => {
    expect(check({ cpus: "3" })).toThrow(/cpus is 3, but the engine's machine has 2 cores/);
  });
});
