import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root } from "../../toolchain/clone.mjs";
import { besideEachOther, partsOf } from "./parts.ts";

const place = {
  atOnce: 3,
  root: "/project",
  cwd: "/project/test",
  artifacts: "/artifacts",
  exists: (path: string) => path.startsWith("/project/test/"),
};
const all = (args: string[]) => partsOf(args, place).flat(2);
const commands = (...args: string[]) => all(args).map(({ command }) => command.join(" "));

test("without a word it is every check and every test", () => {
  expect(all([]).map(({ name }) => name)).toEqual([
    "types",
    "lint",
    "format",
    "unit tests",
    "images",
    "stack tests",
    "engine tests",
  ]);
});

test("a test on the engine is run beside another, or alone, and never left out", () => {
  const [beside = "", alone = ""] = commands().slice(-2);
  for (const file of besideEachOther) {
    expect(existsSync(join(root, file)), file).toBe(true);
    expect(beside).toContain(` ${file} `);
    expect(alone).toContain(` --exclude ${file} `);
  }
  expect(alone).not.toMatch(/(?<!--exclude) test\//);
});

test("files are run alone, named from where the command was given", () => {
  const [only, ...others] = commands("swarm.test.ts", "/project/test/ui.test.ts");
  expect(others).toEqual([]);
  expect(only).toContain("vitest run test/swarm.test.ts test/ui.test.ts --reporter");
});

test("and so are tests by their name", () => {
  expect(commands("-t", "a capacity search")).toEqual([
    expect.stringContaining("vitest run -t a capacity search"),
  ]);
});

test.each([
  [["nonesuch.test.ts", "/elsewhere/x"], /^There is no file or folder \/elsewhere\/x\./],
  [["--fast"], /^Unknown option '--fast'\./],
  [["-t"], /^Option '-t.*argument missing\./],
])("%o is refused with what is understood", (args, sentence) => {
  expect(() => commands(...args)).toThrow(sentence);
  expect(() => commands(...args)).toThrow("npm test -- test/swarm.test.ts");
});
