import { describe, expect, test } from "vitest";
import { isDoomed, lastWords, obituary, type Start } from "./start-verdict.ts";

const start: Start = {
  kind: "container",
  name: "inference-0-abc",
  part: "service",
  exits: 0,
  exitCode: 0,
  outOfMemory: false,
  unhealthy: false,
};
const told = { stack: "dev", memory: 64, words: "", check: "" };

describe("a start", () => {
  test.each<[string, Partial<Start>, boolean]>([
    ["is waited for while it runs", {}, false],
    ["may have ended once: its engine tries again", { exits: 1, exitCode: 1 }, false],
    ["will not do the third time what it did not twice", { exits: 2, exitCode: 1 }, true],
    ["needs the memory again that it did not have", { exits: 1, outOfMemory: true }, true],
    ["is told the same mistake again", { exits: 1, exitCode: 2 }, true],
    ["had its time", { unhealthy: true }, true],
  ])("%s", (_, facts, doomed) => {
    expect(isDoomed({ ...start, ...facts })).toBe(doomed);
  });
});

describe("last words", () => {
  test("are the end of a log, without what a URL carries", () => {
    const log = `${"early\n".repeat(20)}cannot reach postgres://mlflow:pass@pg/db\n\n`;
    expect(lastWords(log)).toHaveLength(8);
    expect(lastWords(log).at(-1)).toBe("cannot reach postgres://[secret]@pg/db");
  });

  test("of any length are shown in part", () => {
    expect(lastWords("x".repeat(1000))[0]).toMatch(/^x{300} \[…\]$/);
  });
});

describe("what is told", () => {
  test("of one without memory is how much it had, and how to give it more", () => {
    expect(obituary({ ...start, exits: 1, outOfMemory: true, exitCode: 137 }, told)).toBe(
      "the service's container inference-0-abc ran out of memory before it was ready: it had 64MB. It is " +
        "taken away. It said nothing. Give it more with `npx pulumi config set memory 128MB -s dev`.",
    );
  });

  test("of one that ended is its exit code and its own words", () => {
    const text = obituary(
      { ...start, exits: 2, exitCode: 3 },
      { ...told, words: "no such table\n" },
    );
    expect(text).toContain("ended with exit code 3 before it was ready");
    expect(text).toContain("Its last words:\n    no such table\n");
    expect(text).toContain("`npx pulumi up -s dev`");
  });

  test("of one that runs on is what its health check said", () => {
    const text = obituary({ ...start, unhealthy: true }, { ...told, check: "refused\n" });
    expect(text).toContain("did not get ready in time (its health check said: refused)");
  });
});
