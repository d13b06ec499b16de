// What `npm test` runs: everything, or what was named.
import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";

export interface Part {
  readonly name: string;
  readonly command: readonly string[];
  /** Where vitest writes its report. */
  readonly report?: string;
  /** Variables beside the caller's own. */
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Files of the engine's tests that wait more than they work, and that say nothing of how quick anything
 * is: two at a time. All others have the machine for themselves.
 */
export const besideEachOther: readonly string[] = [
  "backup",
  "command-plugin",
  "dependencies",
  "dev-stack",
  "doomed-start",
  "doomed-swarm",
  "download",
  "first-time",
  "harms",
  "killed-up",
  "loadtest/told-to-end",
  "own-pulumi",
  "plugin-typings",
  "service/docs",
  "service/long-deadline",
  "swarm-dependencies",
  "swarm-leave",
].map((name) => `test/${name}.test.ts`);

export const usage =
  "npm test runs every check and every test; npm test -- test/swarm.test.ts only that file (several " +
  'may be named, and folders), and -t "words" only tests with these in their name.';

/** What was asked for is not understood; its message ends with what is. */
export class UsageError extends Error {
  constructor(what: string) {
    super(`${what} ${usage}`);
  }
}

interface Place {
  /** The project's own folder. */
  readonly root: string;
  /** Where the command was given. */
  readonly cwd: string;
  readonly artifacts: string;
  readonly exists: (path: string) => boolean;
}

/**
 * One after another. Pure, but for `exists`.
 * @throws UsageError naming an option or a file that there is not
 */
export function partsOf(args: readonly string[], { root, cwd, artifacts, exists }: Place): Part[] {
  const { names, files } = parsed(args);
  const tests = (name: string, ...further: string[]): Part => {
    const report = join(artifacts, `${name}.json`);
    const reporters = ["--reporter=verbose", "--reporter=json", `--outputFile.json=${report}`];
    return {
      name: `${name} tests`,
      command: ["npx", "--no-install", "vitest", "run", ...further, ...reporters],
      report,
    };
  };
  if (args.length > 0) {
    const paths = files.map((file) => {
      const path = resolve(cwd, file);
      if (!exists(path)) throw new UsageError(`There is no file or folder ${file}.`);
      return relative(root, path);
    });
    return [tests("chosen", ...paths, ...names.flatMap((name) => ["-t", name]))];
  }
  const check = (name: string): Part => ({ name, command: ["npm", "run", "-s", `check:${name}`] });
  const engine = (name: string, ...further: string[]) =>
    tests(name, "--project", "engine", ...further);
  return [
    ...["types", "lint", "format"].map(check),
    tests("unit", "--project", "unit"),
    { ...engine("stack", ...besideEachOther), env: { TEST_FILES_AT_ONCE: "2" } },
    engine("engine", ...besideEachOther.flatMap((file) => ["--exclude", file])),
  ];
}

function parsed(args: readonly string[]): { names: string[]; files: string[] } {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { testNamePattern: { type: "string", short: "t" } },
    });
    const { testNamePattern: name } = values;
    return { names: name === undefined ? [] : [name], files: positionals };
  } catch (error) {
    const [said = ""] = (error as Error).message.split(". ");
    throw new UsageError(`${said}.`);
  }
}
