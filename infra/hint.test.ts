import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { root } from "../toolchain/clone.mjs";
import { hint } from "./hint.ts";

test("a hint is the whole command", () => {
  expect(hint.setKey("dev", "cpus", 0.5)).toBe("`npx pulumi config set cpus 0.5 -s dev`");
  expect(hint.setSecret("swarm", "s3SecretKey")).toBe(
    "`npx pulumi config set --secret s3SecretKey -s swarm`",
  );
});

/** Lines of a source that are no comments. */
const spoken = (source: string): string[] =>
  source.split("\n").filter((line) => !/^\s*(\/\/|\*|\/\*|import |#)/.test(line));

/** What a line tells its reader to run that a shell in the project's folder would not understand. */
function unusable(line: string): string[] {
  // In a template a backtick is escaped; in a text it is not.
  const quoted = [...line.matchAll(/\\?`((?:npx )?(?:pulumi|npm) [^`]*?)\\?`/g)].map(
    ([, command = ""]) => command,
  );
  const bare = [...line.matchAll(/(?<!npx )\bpulumi (?:config|stack output|destroy|cancel) /g)];
  return [
    ...quoted.filter((command) => command.startsWith("pulumi ")),
    ...quoted.filter((command) => /pulumi .*<\w/.test(command)),
    ...quoted.filter(
      (command) => /^npx pulumi (config|up|destroy|cancel)/.test(command) && !/ -s /.test(command),
    ),
    ...quoted.filter((command) => /^npm run (-s )?[\w:]+ (?!-- )\S/.test(command)),
    ...bare.map(([found]) => found),
  ];
}

test.each([
  ["Set it with `pulumi config set cpus 1 -s dev`."],
  ["Set it with \\`npx pulumi config set cpus 1\\`."],
  ["Set it with `npx pulumi config set cpus <cores> -s dev`."],
  ["Take it down with `npx pulumi destroy`."],
  ["Try `npm run loadtest --users 5`."],
  ["<code>pulumi stack output loadtestToken</code>"],
])("finds what could not be pasted in: %s", (line) => {
  expect(unusable(line)).not.toEqual([]);
});

test("every command in a sentence can be pasted", () => {
  const files = ["infra", "loadtest", "toolchain", "service"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => /\.(ts|mjs)$/.test(name) && !/\.test\.ts$|node_modules/.test(name))
      .map((name) => join(folder, name)),
  );
  expect(files.length).toBeGreaterThan(100);
  const found = files.flatMap((file) =>
    spoken(readFileSync(join(root, file), "utf8")).flatMap((line) =>
      unusable(line).map((command) => `${file}: ${command}`),
    ),
  );
  expect(found).toEqual([]);
});
