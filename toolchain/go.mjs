// Go programs built from modules with committed checksums.
import { copyFile, cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { SetupError, messageOf } from "./errors.mjs";
import { fingerprint, scratchDir } from "./cache.mjs";
import { run, which } from "./process.mjs";

const flags = ["-mod=readonly", "-trimpath", "-buildvcs=false"];

/**
 * @typedef {object} GoProgram
 * @property {string} module directory of the module that pins it
 * @property {string} target package to build, as Go names it
 * @property {string} output name of the binary
 * @property {Record<string, string>} [variables] string variables set at link time
 * @property {Edit[]} [edits] what is built otherwise than its modules have it
 *
 * @typedef {object} Edit a line of a dependency, replaced for the build alone
 * @property {string} of module path
 * @property {string} file within the module
 * @property {string} from text that stands there exactly once
 * @property {string} to
 */

/**
 * The Go that will build a module: Go may fetch a newer one itself where the module asks for it.
 *
 * @param {string} module
 * @returns {Promise<string | undefined>} such as "go1.26.8", undefined where there is none
 * @throws {SetupError} when Go is there but too old
 */
export async function goVersion(module) {
  if (!which("go")) return undefined;
  try {
    return await run("go", ["env", "GOVERSION"], { cwd: module });
  } catch (error) {
    throw new SetupError(
      `this Go cannot build ${module}: install the newest from https://go.dev/dl\n${messageOf(error)}`,
      { cause: error },
    );
  }
}

export const goMissing = () =>
  new SetupError(
    "Go is needed to build Pulumi and its plugins from package registries, and is not on PATH: install it from https://go.dev/dl (1.26 or newer), or make get.pulumi.com reachable and set TOOLCHAIN_SOURCE=download",
  );

/** What decides a build, apart from the Go that does it. @param {GoProgram} program */
export const goFingerprint = (program) =>
  fingerprint(
    [program.module],
    [program.target, program.output, flags, ldflags(program), ...(program.edits ?? [])],
  );

/**
 * @param {GoProgram} program
 * @param {string} dir where the binary goes
 * @param {(line: string) => void} log
 */
export async function goBuild(program, dir, log) {
  const args = [
    "build",
    ...flags,
    `-ldflags=${ldflags(program)}`,
    "-o",
    join(dir, program.output),
    program.target,
  ];
  // -v names each package as it is compiled: the progress of the build.
  args.splice(1, 0, "-v");
  const env = { ...process.env, CGO_ENABLED: "0", GOFLAGS: "", GOWORK: "off" };
  const scratch = await scratchDir("go-edited");
  try {
    if (program.edits) args.splice(1, 0, `-modfile=${await edited(program, scratch, env)}`);
    await run("go", args, { cwd: program.module, env, onLine: log });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/**
 * Copies of the modules that are edited, and a go.mod that takes them. Go checks a module against
 * its checksum before it hands it out to be copied.
 *
 * @param {GoProgram} program
 * @param {string} dir for the copies
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<string>} path of the go.mod
 */
async function edited({ module, edits = [] }, dir, env) {
  const modfile = join(dir, "go.mod");
  await copyFile(join(module, "go.mod"), modfile);
  await copyFile(join(module, "go.sum"), join(dir, "go.sum"));
  for (const { of, file, from, to } of edits) {
    const found = await run("go", ["mod", "download", "-json", of], { cwd: module, env });
    const copy = join(dir, of);
    await cp(JSON.parse(found).Dir, copy, { recursive: true });
    await run("chmod", ["-R", "u+w", copy]); // Go keeps its modules read-only
    const parts = (await readFile(join(copy, file), "utf8")).split(from);
    if (parts.length !== 2) {
      throw new SetupError(`${of} ${file} does not hold "${from}" once: look at the edit anew`);
    }
    await writeFile(join(copy, file), parts.join(to));
    await run("go", ["mod", "edit", `-replace=${of}=${copy}`, modfile], { env });
  }
  return modfile;
}

/** @param {GoProgram} program */
function ldflags({ variables = {} }) {
  return ["-s -w", ...Object.entries(variables).map(([name, value]) => `-X ${name}=${value}`)].join(
    " ",
  );
}
