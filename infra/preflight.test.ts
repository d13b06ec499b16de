import { describe, expect, test } from "vitest";
import { parseConfig } from "./config.ts";
import { checkLeast, checkLimits, notHeld } from "./preflight.ts";

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

  test.each([
    [{ maxBody: "14MB", maxRows: "100000" }, "14MB (maxBody) and 100000 rows", "197MB"],
    [{ maxBody: "1.5MB" }, "1.5MB (maxBody) and 10000 rows", "68MB"],
    [{ maxRows: "1000000" }, "1MB (maxBody) and 1000000 rows (maxRows)", "206MB"],
    [{ maxBody: "14MB", cpus: "2" }, "14MB (maxBody) and 10000 rows", "336MB"],
  ])("that do not hold a request as large as %j allows are refused", (values, why, least) => {
    const little = check({ ...values, memory: "64MB" });
    expect(little).toThrow(`but ${least} is the least that a replica runs in, where a request`);
    expect(little).toThrow(why);
    expect(little).toThrow(`\`npx pulumi config set memory ${least} -s dev\``);
    expect(check({ ...values, memory: least })).not.toThrow();
  });

  test("on processes that the engine cannot hold are told of, and the others are not said to fail", () => {
    expect(notHeld({ PidsLimit: false })).toMatch(/^the engine limits no container's processes/);
    expect(notHeld({ PidsLimit: true })).toBeUndefined();
    // An engine that does not say.
    expect(notHeld({})).toBeUndefined();
  });

  test("of more cores than there are are refused", () => {
    expect(check({ cpus: "3" })).toThrow(/cpus is 3, but the engine's machine has 2 cores/);
  });
});
