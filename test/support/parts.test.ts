import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root } from "../../toolchain/clone.mjs";
import { engineFiles } from "./engine-files.ts";
import { besideEachOther, partsOf } from "./parts.ts";

const place = {
  atOnce: 3,
  engineFiles: [...besideEachOther, "test/alone.test.ts", "test/deeper/alone.test.ts"].sort(),
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

test("a test on the engine is run once, beside another or alone", () => {
  const files = commands()
    .slice(-2)
    .map((command) => command.split(" ").filter((word) => word.startsWith("test/")));
  expect(files).toEqual([besideEachOther, ["test/alone.test.ts", "test/deeper/alone.test.ts"]]);
  for (const file of besideEachOther) expect(existsSync(join(root, file)), file).toBe(true);
});

test("what is run as a part is what vitest would run", () => {
  // Of vitest itself: an option that it does not heed had every file of one part run again in the next.
  const listed = (part: readonly string[]) => {
    const [, , , , ...words] = part;
    const files = words.filter(
      (word) => !word.startsWith("--reporter") && !word.startsWith("--out"),
    );
    const [vitest, ...list] = [join(root, "node_modules/vitest/vitest.mjs"), "list", "--filesOnly"];
    const out = execFileSync(process.execPath, [vitest, ...list, ...files], {
      cwd: root,
      encoding: "utf8",
    });
    return out
      .split("\n")
      .filter(Boolean)
      .map((line) => line.replace(/^\[engine\] /, ""))
      .sort();
  };
  const own = { ...place, root, engineFiles: engineFiles(root) };
  const parts = partsOf([], own).flat(2).slice(-2);
  const [beside = [], alone = []] = parts.map(({ command }) => listed(command));
  expect(beside).toEqual([...besideEachOther].sort());
  expect(alone).not.toEqual([]);
  expect([...beside, ...alone].sort()).toEqual(listed(["", "", "", "", "--project", "engine"]));
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
