import { existsSync, realpathSync } from "node:fs";
import { mkdtemp, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test } from "vitest";

import { root } from "../clone.mjs";
import { linkNode, matchesLockfile } from "./node-packages.mjs";

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

test("the project's Node is where npm's scripts look first, whatever npm made of the two kinds of it", async () => {
  const [own, bin] = [
    join(dir, "node_modules", `node-linux-${process.arch}`, "bin"),
    join(dir, "node_modules", ".bin"),
  ];
  await mkdir(bin);
  linkNode(dir);
  expect(existsSync(join(bin, "node"))).toBe(false);
  await symlink("../node-linux-other/bin/node", join(bin, "node"));
  await mkdir(own, { recursive: true });
  await writeFile(join(own, "node"), "");
  linkNode(dir);
  expect(realpathSync(join(bin, "node"))).toBe(realpathSync(join(own, "node")));
});

test("an install that was never finished does not match", async () => {
  await write("package-lock.json", locked);
  expect(matchesLockfile(dir)).toBe(false);
});
