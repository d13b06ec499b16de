import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
} from "node:fs";
import { dirname, extname, join, relative } from "node:path";
import { build } from "esbuild";
import { UserError } from "./errors.ts";
import { root, stateDir } from "../toolchain/clone.mjs";

/** What `<part>/image.json` says of a part's build context. */
interface ImageRecipe {
  /** Which base image of the toolchain it stands on. */
  readonly base: "node" | "haproxy";
  /** Bundled by esbuild: name in the image (without .mjs) → source, relative to the part. */
  readonly entryPoints?: Readonly<Record<string, string>>;
  readonly external?: readonly string[];
  /** Bundled for a browser, minified: file in the image (.js or .css) → source. */
  readonly browser?: Readonly<Record<string, string>>;
  /** Copied: [path from the project's root, path in the image's folder]. */
  readonly files?: readonly (readonly [string, string])[];
}

export interface BuildContext {
  /** As the provider finds it, which runs in this folder: the state then holds no path of a machine. */
  readonly dir: string;
  readonly base: ImageRecipe["base"];
  /** Hex SHA-256 of every path, mode and byte in it: the same content is the same image. */
  readonly hash: string;
}

function filesBelow(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

function contentHash(dir: string): string {
  const hash = createHash("sha256");
  for (const file of filesBelow(dir)) {
    const executable = (statSync(file).mode & 0o111) !== 0;
    hash.update(`${relative(dir, file)}\0${executable ? "x" : "-"}\0`);
    hash.update(createHash("sha256").update(readFileSync(file)).digest());
  }
  return hash.digest("hex");
}

/**
 * Makes the folder that Docker builds a part's image from: its Dockerfile, one bundled file for each
 * entry point, and the files its recipe names. The image then needs no network to build and holds
 * nothing but what runs.
 * @param source folder with `Dockerfile` and `image.json`, relative to the project's root
 */
export async function bundle(source: string): Promise<BuildContext> {
  try {
    return await assemble(source);
  } catch (cause) {
    // esbuild's own words name the file and the line.
    throw new UserError(`the image of ${source} cannot be made: ${String(cause)}`, { cause });
  }
}

/** Where a build context is, for whoever runs elsewhere than the provider. */
export const contextFolder = ({ dir }: Pick<BuildContext, "dir">): string =>
  join(root, "infra", dir);

/**
 * One file of a program, as text that Node takes on its standard input.
 * @throws UserError
 */
export async function bundleScript(source: string): Promise<string> {
  try {
    const { outputFiles } = await build({
      entryPoints: [join(root, source)],
      ...forNode,
      write: false,
    });
    return outputFiles[0]?.text ?? "";
  } catch (cause) {
    throw new UserError(`${source} cannot be put together: ${String(cause)}`, { cause });
  }
}

const forNode = {
  absWorkingDir: root,
  bundle: true,
  minify: false,
  platform: "node",
  target: "node24",
  format: "esm",
  // Libraries written as CommonJS ask for `require`, which an ES module has not got.
  banner: {
    js: 'import { createRequire as requireFor } from "node:module"; const require = requireFor(import.meta.url);',
  },
  logLevel: "error",
} as const;

const builds = join(stateDir, "build");

/** How long a context that is not asked for any more is kept: an update that uses it may go on. */
const keepMs = 24 * 3600_000;

async function assemble(source: string): Promise<BuildContext> {
  mkdirSync(builds, { recursive: true });
  const part = source.replaceAll("/", "-");
  const made = mkdtempSync(join(builds, "part-"));
  try {
    const base = await fill(made, source);
    const hash = contentHash(made);
    // Named by its content: a preview beside an update takes nothing away from under it.
    const dir = join(builds, `${part}-${hash.slice(0, 12)}`);
    if (existsSync(dir)) utimesSync(dir, new Date(), new Date());
    else renameSync(made, dir);
    return { dir: relative(import.meta.dirname, dir), base, hash };
  } finally {
    rmSync(made, { recursive: true, force: true });
    forgetOld();
  }
}

function forgetOld(): void {
  for (const name of readdirSync(builds)) {
    const dir = join(builds, name);
    const age = Date.now() - (statSync(dir, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age > keepMs) rmSync(dir, { recursive: true, force: true });
  }
}

/** @returns the base that its recipe names */
async function fill(dir: string, source: string): Promise<ImageRecipe["base"]> {
  const from = join(root, source);
  const recipe = JSON.parse(readFileSync(join(from, "image.json"), "utf8")) as ImageRecipe;
  // The Dockerfile copies `app`; it is beside it, so as not to be in the image itself.
  const app = join(dir, "app");
  mkdirSync(app, { recursive: true });
  cpSync(join(from, "Dockerfile"), join(dir, "Dockerfile"));
  for (const [path, target] of recipe.files ?? []) {
    mkdirSync(dirname(join(app, target)), { recursive: true });
    cpSync(join(root, path), join(app, target), {
      recursive: true,
      dereference: true,
      filter: (file) => !/\.(map|d\.[cm]?ts)$/.test(file),
    });
  }
  const entryPoints = Object.entries(recipe.entryPoints ?? {});
  if (entryPoints.length > 0) {
    await build({
      entryPoints: entryPoints.map(([out, path]) => ({ in: join(from, path), out })),
      outdir: app,
      outExtension: { ".js": ".mjs" },
      ...forNode,
      // What is imported only when it is needed stays out of memory until then.
      splitting: true,
      external: [...(recipe.external ?? [])],
    });
  }
  const browser = Object.entries(recipe.browser ?? {});
  if (browser.length > 0) {
    await build({
      entryPoints: browser.map(([out, path]) => ({
        in: join(from, path),
        out: out.slice(0, -extname(out).length),
      })),
      outdir: app,
      absWorkingDir: root,
      bundle: true,
      minify: true,
      platform: "browser",
      target: "es2023",
      format: "iife",
      charset: "utf8",
      legalComments: "none",
      logLevel: "error",
    });
  }
  // A checkout's umask must not change the image.
  for (const file of filesBelow(dir)) {
    chmodSync(file, (statSync(file).mode & 0o111) !== 0 ? 0o755 : 0o644);
  }
  return recipe.base;
}
