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
  /** Where it failed no later stage can pass, and none is begun. */
  readonly needed?: boolean;
}

/** What is run side by side: lanes, the parts of each one after another. */
export type Stage = readonly (readonly Part[])[];

/**
 * Files of the engine's tests that wait more than they work, and that say nothing of how quick anything
 * is: several at a time, the longest first, for no core is idle then while the last one ends. All others
 * have the machine for themselves.
 */
export const besideEachOther: readonly string[] = [
  "swarm-leave",
  "attached-model",
  "attach-pickle",
  "backup",
  "models",
  "swarm-dependencies",
  "harms",
  "dependencies",
  "dev-stack",
  "ui",
  "killed-up",
  "doomed-start",
  "first-time",
  "own-pulumi",
  "setup",
  "doomed-swarm",
  "service/clients",
  "publications",
  "command-plugin",
  "download",
  "service/fuzz",
  "loadtest/told-to-end",
  "plugin-typings",
  "service/long-deadline",
  "service/docs",
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

/** Tells vitest.config.ts how many files of the engine's tests are run at a time. */
export const filesAtOnce = "TEST_FILES_AT_ONCE";

interface Place {
  /** How many files that wait more than they work are run at a time. */
  readonly atOnce: number;
  /** All tests on the engine, from the project's folder. */
  readonly engineFiles: readonly string[];
  /** The project's own folder. */
  readonly root: string;
  /** Where the command was given. */
  readonly cwd: string;
  readonly artifacts: string;
  readonly exists: (path: string) => boolean;
}

/**
 * Stages, one after another. Pure, but for `exists`.
 * @throws UsageError naming an option or a file that there is not
 */
export function partsOf(
  args: readonly string[],
  { atOnce, engineFiles, root, cwd, artifacts, exists }: Place,
): Stage[] {
  const { names, files } = parsed(args);
  const tests = (name: string, ...further: string[]): Part => {
    const report = join(artifacts, `${name}.json`);
    const reporters = [
      ...["--reporter=verbose", "--reporter=./test/support/under-way.ts"],
      ...["--reporter=json", `--outputFile.json=${report}`],
    ];
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
    return [[[tests("chosen", ...paths, ...names.flatMap((name) => ["-t", name]))]]];
  }
  const check = (name: string): Part => ({ name, command: ["npm", "run", "-s", `check:${name}`] });
  // Both by their names: what a project of the configuration leaves out, --exclude adds nothing to.
  const engine = (name: string, paths: readonly string[]) =>
    tests(name, "--project", "engine", ...paths);
  const alone = engineFiles.filter((file) => !besideEachOther.includes(file));
  const images = ["node", "toolchain/run.mjs", "test/support/images.ts"];
  return [
    [
      [...["types", "lint", "format"].map(check), tests("unit", "--project", "unit")],
      [{ name: "images", command: images, needed: true }],
    ],
    [[{ ...engine("stack", besideEachOther), env: { [filesAtOnce]: String(atOnce) } }]],
    [[engine("engine", alone)]],
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
