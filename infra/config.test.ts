import { describe, expect, test } from "vitest";
import { parseConfig, Secret } from "./config.ts";
import { UserError } from "./errors.ts";

const parse = (values: Record<string, string>, secretKeys: string[] = []) =>
  parseConfig({ stack: "dev", values, secretKeys: new Set(secretKeys) });

const refusal = (values: Record<string, string>, secretKeys: string[] = []): string => {
  try {
    parse(values, secretKeys);
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return (error as UserError).message;
  }
  throw new Error(`accepted ${JSON.stringify(values)}`);
};

describe("parseConfig", () => {
  test("gives every key its default", () => {
    expect(parse({})).toMatchObject({
      platform: "container",
      cpus: 1,
      memory: 256,
      replicas: 1,
      dependencies: "none",
      model: "iris",
      deadline: 10_000,
      keepData: true,
      apiPort: 8000,
      loadtestPort: 8089,
      bind: "127.0.0.1",
      loadtestWorkers: 1,
      overcommit: false,
    });
  });

  test("turns words into numbers in the engine's units", () => {
    expect(parse({ maxBody: "14MB", registryInterval: "2s" })).toMatchObject({
      maxBody: 14 * 1024 ** 2,
      registryInterval: 2000,
    });
    expect(parse({ cpus: "0.25", memory: "1GB", deadline: "500ms", replicas: "3" })).toMatchObject({
      cpus: 0.25,
      memory: 1024,
      deadline: 500,
      replicas: 3,
    });
  });

  test.each([
    ["cpus", "0"],
    ["cpus", "banana"],
    ["cpus", "-1"],
    ["cpus", "1e3"],
    ["memory", "12potatoes"],
    ["memory", "banana"],
    ["memory", "16MB"],
    ["memory", "256"],
    ["replicas", "-1"],
    ["replicas", "0"],
    ["replicas", "1.5"],
    ["platform", "kubernetes"],
    ["deadline", "10"],
    ["apiPort", "70000"],
    ["bind", "localhost"],
    ["imageRepository", "Not A Repository"],
    ["keepData", "yes"],
    ["maxBody", "64MB"],
    ["maxBody", "4"],
    ["maxRows", "0"],
    ["logLevel", "loud"],
    ["allowContractChange", "1"],
    ["imagePaths", "predict"],
    ["imagePaths", "/a b|c"],
    ["http2", "on"],
  ])("refuses %s=%s, naming the key, the value and what is allowed", (key, value) => {
    const message = refusal({ [key]: value });
    expect(message).toContain(`${key} is "${value}". Allowed: `);
    expect(message).toMatch(new RegExp(`\`npx pulumi config (set ${key} \\S+|rm ${key}) -s dev\``));
  });

  test("names a misspelled key and the one that was meant", () => {
    expect(refusal({ memroy: "256MB" })).toMatch(
      /memroy is not a configuration key\. Did you mean memory\?/,
    );
  });

  test("names every mistake at once", () => {
    const message = refusal({ cpus: "0", memory: "x", colour: "red" });
    for (const key of ["cpus", "memory", "colour"]) expect(message).toContain(key);
  });

  test("refuses a secret that is stored in plain text, and never repeats it", () => {
    const message = refusal({ registryPassword: "hunter2", registryUser: "me" });
    expect(message).toContain("config set --secret registryPassword");
    expect(message).not.toContain("hunter2");
  });

  test("keeps a secret from being printed", () => {
    const { registryPassword } = parse({ registryPassword: "hunter2", registryUser: "me" }, [
      "registryPassword",
    ]);
    expect(registryPassword).toBeInstanceOf(Secret);
    expect(`${String(registryPassword)} ${JSON.stringify({ registryPassword })}`).not.toContain(
      "hunter2",
    );
    expect(registryPassword?.reveal()).toBe("hunter2");
  });

  test.each([
    [{ imageTag: "v1" }, "imageRepository"],
    [{ modelAlias: "a", modelStage: "Production" }, "keep one"],
    [{ mlflowUrl: "http://mlflow:5000" }, "dependencies"],
    [{ dependencies: "attach" }, "mlflowUrl"],
    [{ dependencies: "attach", mlflowUrl: "http://localhost:5000" }, "mlflowUrl"],
    [{ dependencies: "attach", mlflowUrl: "http://m:5000", s3Url: "http://127.0.0.1:1" }, "s3Url"],
    [{ dependencies: "deploy", s3Url: "http://s3:9000" }, "s3AccessKey"],
    [{ mlflowDatabase: "postgres" }, "set dependencies to deploy"],
    [{ dependencies: "deploy", modelStage: "Production" }, "config set modelAlias ALIAS -s dev"],
    [{ gateways: "2" }, "platform is container"],
    [{ overcommit: "true" }, "platform is container"],
    [{ gateways: "2", platform: "swarm" }, "Set bind to 0.0.0.0"],
    [{ apiPort: "8089" }, "loadtestPort"],
    [{ dependencies: "deploy", mlflowPort: "8089" }, "loadtestPort and mlflowPort are both 8089"],
    [{ dependencies: "deploy", mlflowPort: "5000", bind: "0.0.0.0" }, "on loopback alone"],
    [{ mlflowPort: "5000" }, "set dependencies to deploy"],
  ])("refuses %j, which contradicts itself", (values, says) => {
    expect(refusal(values as Record<string, string>)).toContain(says);
  });
});
