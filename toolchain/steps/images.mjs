// Base images in the engine, each by its recipe: a file in images/ named like the image's short name.
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { fingerprint, find, produce } from "../cache.mjs";
import { needDebootstrap } from "../debian.mjs";
import { SetupError, messageOf } from "../errors.mjs";
import { toolchainDir } from "../paths.mjs";
import { run } from "../process.mjs";
import { chooseSource, forcedSource, remember } from "../source.mjs";
import { runTasks } from "../tasks.mjs";
import { versions } from "../versions.mjs";

/**
 * @typedef {import("../tasks.mjs").Task} Task
 * @typedef {import("../tasks.mjs").Outcome} Outcome
 * @typedef {import("../tasks.mjs").Log} Log
 * @typedef {import("../source.mjs").Source} Source
 * @typedef {import("../consent.mjs").Consent} Consent
 *
 * @typedef {object} Recipe
 * @property {string} image name and tag it gets in the engine
 * @property {boolean} byDefault whether every set-up makes it, or only one asked for it
 * @property {string} [upstream] published image that serves as well; without it there is only the build
 * @property {string[]} config Dockerfile instructions of its configuration (ENV, CMD, USER, ...)
 * @property {string[]} [inputs] files and directories beside the recipe that decide its content
 * @property {(consent: Consent, log: Log) => Promise<void>} [prepare] sees to what else the build
 *   takes of this machine, before it begins
 * @property {(dir: string, log: Log) => Promise<void>} rootfs fills an empty directory with the
 *   image's file system, from package registries
 */

const kind = "base images";
const site = "https://registry-1.docker.io/v2/";

/** The recipe an image was made by, so that one of an older recipe is made again. */
const recipeLabel = "inference-stack.recipe";

const recipesDir = join(toolchainDir, "images");

/**
 * @param {string} [folder] with recipes that no set-up makes
 * @returns {Promise<string[]>} short names of all recipes
 */
export async function recipeNames(folder = recipesDir) {
  const files = await readdir(folder);
  return files.flatMap((file) => (file.endsWith(".mjs") ? [file.slice(0, -4)] : [])).sort();
}

/**
 * @param {string[]} names
 * @param {string} [folder]
 * @throws {SetupError} when one of them has no recipe
 */
export async function knownRecipes(names, folder) {
  const known = await recipeNames(folder);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new SetupError(`there is no image ${unknown}: choose from ${known.join(", ")}`);
  }
}

/** @param {string} file @returns {Promise<Recipe>} */
const load = async (file) => (await import(pathToFileURL(file).href)).default;

/**
 * Sees to images by name, for callers outside the set-up.
 *
 * @param {string[]} names such as "base-node"
 * @param {{ consent?: Consent, log?: Log, folder?: string }} [options] folder: of the recipes, where
 *   they are none of a set-up's
 */
export async function ensureImages(
  names,
  { consent = { yes: false }, log = console.log, folder } = {},
) {
  const forced = forcedSource(process.env.TOOLCHAIN_SOURCE);
  const { done, tasks } = await images(names, forced, consent, log, folder);
  return [...done, ...(await runTasks(tasks))];
}

/**
 * What is left to do for images: those the engine holds by their present recipe stay.
 *
 * @param {string[] | undefined} names those every set-up makes, when left out
 * @param {Source | undefined} forced
 * @param {Consent} consent
 * @param {Log} log
 * @param {string} [folder] of the recipes
 * @returns {Promise<{ done: Outcome[], tasks: Task[] }>}
 */
export async function images(names, forced, consent, log, folder = recipesDir) {
  if (names) await knownRecipes(names, folder);
  const recipes = await Promise.all(
    (names ?? (await recipeNames(folder))).map((name) => withKeys(name, folder)),
  );
  const states = await Promise.all(
    recipes
      .filter(({ recipe }) => names !== undefined || recipe.byDefault)
      .map(async (entry) => ({ ...entry, held: await held(entry.recipe.image) })),
  );
  /** @type {Outcome[]} */
  const done = [];
  const missing = [];
  for (const state of states) {
    const source = /** @type {Source[]} */ (["download", "registries"]).find(
      (candidate) =>
        (forced ?? candidate) === candidate && state.held?.recipe === state.keys[candidate],
    );
    if (source && state.held)
      done.push({
        piece: state.recipe.image,
        source,
        bytes: state.held.bytes,
        seconds: 0,
        kept: true,
      });
    else missing.push(state);
  }
  if (missing.length === 0) return { done, tasks: [] };
  const published = missing.filter(({ recipe }) => recipe.upstream);
  const source =
    forced ?? (published.length > 0 ? await chooseSource(kind, [site], log) : "registries");
  const pulled = source === "download" ? published : [];
  const built = missing.filter((state) => !pulled.includes(state));
  if (forced === "download" && built.length > 0) {
    throw new SetupError(
      `${built.map(({ name }) => name).join(", ")}: no published image serves; leave TOOLCHAIN_SOURCE out or set it to registries`,
    );
  }
  if (built.length > 0) await prepareBuilds(built, consent, log);
  return {
    done,
    tasks: [
      ...built.map(buildTask),
      ...pulled.map((state) => pullTask(state, forced === undefined, consent)),
    ],
  };
}

/** @typedef {{ name: string, recipe: Recipe, keys: Record<Source, string> }} Keyed */

/** @param {string} name @param {string} folder @returns {Promise<Keyed>} */
async function withKeys(name, folder) {
  const file = join(folder, `${name}.mjs`);
  const recipe = await load(file);
  const { image, upstream, config, inputs = [] } = recipe;
  const files = [file, join(toolchainDir, "debian.mjs"), ...inputs];
  const words = [image, config, versions.debian, versions.node, process.arch];
  return {
    name,
    recipe,
    keys: {
      download: `download-${await fingerprint([], [upstream, ...words])}`,
      registries: `registries-${await fingerprint(files, words)}`,
    },
  };
}

/**
 * @param {string} image
 * @returns {Promise<{ recipe: string, bytes: number } | undefined>}
 */
async function held(image) {
  const format = `{{.Size}} {{with .Config.Labels}}{{index . "${recipeLabel}"}}{{end}}`;
  try {
    const [bytes, recipe = ""] = (
      await run("docker", ["image", "inspect", "--format", format, image])
    ).split(" ");
    return { bytes: Number(bytes), recipe };
  } catch {
    return undefined;
  }
}

/** Root, debootstrap and what recipes need besides, unless it is cached. @param {Keyed[]} states @param {Consent} consent @param {Log} log */
async function prepareBuilds(states, consent, log) {
  for (const { name, recipe, keys } of states) {
    if (await find(`image-${name}`, keys.registries, log)) continue;
    await needDebootstrap(consent, log);
    await recipe.prepare?.(consent, log);
  }
}

/** @param {Keyed} state @returns {Task} */
const buildTask = ({ name, recipe, keys }) => ({
  title: `${recipe.image}, built from packages`,
  run: async (log) => {
    const started = Date.now();
    const cacheName = `image-${name}`;
    const cached = await find(cacheName, keys.registries, log);
    const entry =
      cached ?? (await produce(cacheName, keys.registries, (dir) => pack(recipe, dir, log)));
    log("docker import");
    const changes = [...recipe.config, `LABEL ${recipeLabel}=${keys.registries}`];
    await replacing(recipe.image, () =>
      run("docker", [
        "import",
        ...changes.flatMap((line) => ["--change", line]),
        join(entry.dir, archive),
        recipe.image,
      ]),
    );
    return outcome(recipe.image, "registries", started);
  },
});

const archive = "rootfs.tar.gz";

/** @param {Recipe} recipe @param {string} dir @param {Log} log */
async function pack(recipe, dir, log) {
  const tree = join(dir, "tree");
  await mkdir(tree);
  await recipe.rootfs(tree, log);
  log("packing");
  await run("tar", [
    "--create",
    "--numeric-owner",
    "--sort=name",
    "--use-compress-program=gzip -1",
    "--file",
    join(dir, archive),
    "--directory",
    tree,
    ".",
  ]);
  await rm(tree, { recursive: true, force: true });
}

/** @param {Keyed} state @param {boolean} mayBuild @param {Consent} consent @returns {Task} */
const pullTask = (state, mayBuild, consent) => ({
  title: `${state.recipe.image}, pulled`,
  run: async (log) => {
    const { recipe, keys } = state;
    const started = Date.now();
    try {
      await run("docker", ["pull", recipe.upstream ?? ""], { onLine: log });
      // A label needs a build; it has no steps that could need a network.
      const dockerfile = [
        `FROM ${recipe.upstream}`,
        ...recipe.config,
        `LABEL ${recipeLabel}=${keys.download}`,
        "",
      ].join("\n");
      await replacing(recipe.image, () =>
        run("docker", ["build", "--tag", recipe.image, "-"], { input: dockerfile, onLine: log }),
      );
      return await outcome(recipe.image, "download", started);
    } catch (error) {
      if (!mayBuild) throw error;
      log(`the pull failed (${messageOf(error)}); building from packages`);
      remember(kind, "registries");
      await prepareBuilds([state], consent, log);
      return [buildTask(state)];
    }
  },
});

/**
 * Gives the name to a new image and takes the old one away, unless something still runs on it.
 *
 * @param {string} image
 * @param {() => Promise<unknown>} make
 */
async function replacing(image, make) {
  const id = () =>
    run("docker", ["image", "inspect", "--format", "{{.Id}}", image]).catch(() => undefined);
  const before = await id();
  await make();
  if (before && before !== (await id()))
    await run("docker", ["image", "rm", before]).catch(() => {});
}

/** @param {string} image @param {Source} source @param {number} started @returns {Promise<Outcome>} */
async function outcome(image, source, started) {
  const bytes = (await held(image))?.bytes ?? 0;
  return { piece: image, source, bytes, seconds: (Date.now() - started) / 1000, kept: false };
}
