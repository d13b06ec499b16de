import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "vitest";

import { root } from "../clone.mjs";
import { matchesLockfile } from "./node-packages.mjs";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "packages-"));
  await mkdir(join(dir, "node_modules"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const write = (path: string, packages: object) =>
  writeFile(join(dir, path), JSON.stringify({ packages }));
const locked = {
  "": {},
  "node_modules/a": { version: "1.0.0" },
  "node_modules/mac-only": { version: "1.0.0", optional: true },
};

test("packages installed from the lockfile match it", () => {
  expect(matchesLockfile(root)).toBe(true);
});

test.each([
  ["all but an optional one", { "node_modules/a": { version: "1.0.0" } }, true],
  ["another version", { "node_modules/a": { version: "1.0.1" } }, false],
  ["one is missing", {}, false],
  [
    "one too many",
    { "node_modules/a": { version: "1.0.0" }, "node_modules/old": { version: "1.0.0" } },
    false,
  ],
])("%s", async (_, installed, expected) => {
  await write("package-lock.json", locked);
  await write("node_modules/.package-lock.json", installed);
  expect(matchesLockfile(dir)).toBe(expected);
});

test("an install that was never finished does not match", async () => {
  await write("package-lock.json", locked);
  expect(matchesLockfile(dir)).toBe(false);
});
