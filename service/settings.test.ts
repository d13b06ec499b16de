import { writeFileSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { environmentName, parseSettings, readSettings, SettingsError } from "./settings.ts";

describe("settings", () => {
  it("reads the config's words into ms and bytes", () => {
    expect(parseSettings({ deadline: "250ms", maxBody: "64kB", grace: "2m" })).toMatchObject({
      deadline: 250,
      maxBody: 65_536,
      grace: 120_000,
      port: 8000,
      host: "127.0.0.1",
    });
  });

  it("lets the environment win over the file", () => {
    expect(parseSettings({ port: 1, maxRows: 2 }, { PORT: "9", LOG_LEVEL: "warn" })).toMatchObject({
      port: 9,
      maxRows: 2,
      logLevel: "warn",
    });
    expect(environmentName("maxBatchRows")).toBe("MAX_BATCH_ROWS");
  });

  it("refuses an unknown key and says which there are", () => {
    expect(() => parseSettings({ prot: 1 })).toThrow(/Unknown setting "prot".*host, port/);
  });

  it.each([
    ["port", 70_000, "a whole number from 0 to 65535"],
    ["port", "", "a whole number"],
    ["deadline", "10", 'such as "250ms"'],
    ["deadline", "0s", "a time"],
    ["maxBody", "banana", 'such as "64kB"'],
    ["logLevel", "loud", "one of trace"],
    ["allowContractChange", "yes", "true or false"],
    ["host", 5, "an address"],
  ])("refuses %s = %j and says what is allowed", (key, value, allowed) => {
    expect(() => parseSettings({ [key]: value })).toThrow(SettingsError);
    expect(() => parseSettings({ [key]: value })).toThrow(new RegExp(`"${key}".*${allowed}`));
  });

  it("refuses more time for the headers than for the whole request", () => {
    expect(() => parseSettings({ requestTimeout: "5s" })).toThrow(
      /"headerTimeout" is 10000 ms, more than "requestTimeout" with 5000 ms/,
    );
  });

  it.each([
    ["10s", {}, { requestTimeout: 30_000, grace: 38_000 }],
    ["60s", {}, { requestTimeout: 60_000, grace: 68_000 }],
    ["60m", {}, { requestTimeout: 3_600_000, grace: 3_608_000 }],
    ["60s", { drainDelay: "0s" }, { grace: 65_000 }],
    ["60s", { requestTimeout: "90s" }, { requestTimeout: 90_000, grace: 98_000 }],
    ["60s", { grace: "5s" }, { requestTimeout: 60_000, grace: 5000 }],
  ])("outlasts a deadline of %s with %j unless told otherwise", (deadline, others, expected) => {
    expect(parseSettings({ deadline, ...others })).toMatchObject(expected);
  });

  it("names the environment's variable when that is the wrong one", () => {
    expect(() => parseSettings({}, { MAX_BODY: "x" })).toThrow(/"MAX_BODY" is "x"/);
  });

  it("answers with no other model where one has to be named and is not", () => {
    const image = { MODEL_REQUIRED: "true" };
    expect(() => parseSettings({ host: "0.0.0.0" }, image)).toThrow(
      /^No model is named: .*\/run\/inference\/settings.json.*MODEL_FILE/,
    );
    expect(parseSettings({ modelFile: "embedded" }, image).modelFile).toBe("embedded");
    expect(parseSettings({ mlflowUrl: "http://mlflow:5000" }, image).modelFile).toBe("");
    expect(parseSettings({}).modelFile).toBe("");
  });

  it("says which file it cannot read", () => {
    const file = join(mkdtempSync(join(tmpdir(), "settings-")), "settings.json");
    expect(() => readSettings(file, {})).toThrow(/settings file .*settings.json cannot be read/);
    writeFileSync(file, '{"port": 8123}');
    expect(readSettings(file, {}).port).toBe(8123);
    writeFileSync(file, "[]");
    expect(() => readSettings(file, {})).toThrow(/one JSON object/);
  });
});
