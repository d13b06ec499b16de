// Go programs built from modules with committed checksums.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { SetupError, messageOf } from "./errors.mjs";
import { fingerprint } from "./cache.mjs";
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
  const scratch = await mkdtemp(join(tmpdir(), "go-overlay-"));
  try {
    if (program.edits) args.splice(1, 0, `-overlay=${await overlay(program, scratch, env)}`);
    await run("go", args, { cwd: program.module, env, onLine: log });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/**
 * Go's own way to build with a file other than the one on disk: the module cache stays as it is.
 *
 * @param {GoProgram} program
 * @param {string} dir for the edited files
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<string>} path of the overlay
 */
async function overlay({ module, edits = [] }, dir, env) {
  /** @type {Record<string, string>} */
  const replaced = {};
  for (const [index, { of, file, from, to }] of edits.entries()) {
    const found = await run("go", ["mod", "download", "-json", of], { cwd: module, env });
    const path = join(JSON.parse(found).Dir, file);
    const parts = (await readFile(path, "utf8")).split(from);
    if (parts.length !== 2) {
      throw new SetupError(`${of} ${file} no longer holds ${from} once: look at the edit anew`);
    }
    const edited = join(dir, `${index}.go`);
    await writeFile(edited, parts.join(to));
    replaced[path] = edited;
  }
  await writeFile(join(dir, "overlay.json"), JSON.stringify({ Replace: replaced }));
  return join(dir, "overlay.json");
}

/** @param {GoProgram} program */
function ldflags({ variables = {} }) {
  return ["-s -w", ...Object.entries(variables).map(([name, value]) => `-X ${name}=${value}`)].join(
    " ",
  );
}
