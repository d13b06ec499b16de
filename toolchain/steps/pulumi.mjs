// Pulumi's CLI, its Node language host and the two resource plugins, in this clone's Pulumi home.
import { rm, readdir } from "node:fs/promises";
import { join } from "node:path";

import { filesBelow, find, install, produce } from "../cache.mjs";
import { SetupError, messageOf } from "../errors.mjs";
import { goBuild, goFingerprint, goMissing, goVersion } from "../go.mjs";
import { pluginDir, projectNode, pulumiBin, pulumiHome, toolchainDir } from "../paths.mjs";
import { run } from "../process.mjs";
import { chooseSource, hosts, remember, silentOf } from "../source.mjs";
import { limiter } from "../tasks.mjs";
import { versions } from "../versions.mjs";
import { matchesLockfile } from "./node-packages.mjs";

/**
 * @typedef {import("../tasks.mjs").Task} Task
 * @typedef {import("../tasks.mjs").Outcome} Outcome
 * @typedef {import("../tasks.mjs").Log} Log
 * @typedef {import("../cache.mjs").Entry} Entry
 * @typedef {import("../source.mjs").Source} Source
 * @typedef {import("../go.mjs").GoProgram & { name: string, title: string, version: string, home: string }} Piece
 *   home: directory the binary is put into
 */

const kind = "Pulumi";
const versionVariable = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version";
const sites = ["https://get.pulumi.com/install.sh", "https://github.com/pulumi"];

/** Slowest first: the others fit in beside it. @type {Piece[]} */
export const goPieces = [
  {
    name: "pulumi-cli",
    title: `Pulumi CLI ${versions.pulumi}`,
    version: versions.pulumi,
    module: join(toolchainDir, "plugins", "cli"),
    target: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    variables: { [versionVariable]: `v${versions.pulumi}` },
    output: "pulumi",
    home: pulumiBin,
  },
  {
    name: "resource-docker",
    title: `Docker plugin ${versions.plugins.docker}`,
    version: versions.plugins.docker,
    module: join(toolchainDir, "plugins", "docker"),
    target: ".",
    output: "pulumi-resource-docker",
    // Upstream's plugin has this too: with a TLS configuration of its own, even an empty one, Go
    // speaks no HTTP/2, and Docker Hub turns such clients away.
    edits: [
      {
        of: "github.com/terraform-providers/terraform-provider-docker",
        file: "internal/provider/resource_docker_registry_image_funcs.go",
        from: "TLSClientConfig: &tls.Config{InsecureSkipVerify: insecureSkipVerify}",
        to: "TLSClientConfig: map[bool]*tls.Config{true: {InsecureSkipVerify: true}}[insecureSkipVerify]",
      },
    ],
    home: pluginDir("docker"),
  },
  {
    name: "resource-command",
    title: `Command plugin ${versions.plugins.command}`,
    version: versions.plugins.command,
    module: join(toolchainDir, "plugins", "command"),
    target: ".",
    output: "pulumi-resource-command",
    home: pluginDir("command"),
  },
  {
    name: "language-nodejs",
    title: `Node language host ${versions.languageHost}`,
    version: versions.languageHost,
    module: join(toolchainDir, "plugins", "nodejs-host"),
    target: "github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs",
    variables: { [versionVariable]: `v${versions.languageHost}` },
    output: "pulumi-language-nodejs",
    home: pulumiBin,
  },
];

/**
 * What is left to do for Pulumi, from the forced source or the first that serves. Pieces that are
 * cached, from either, are put into place here.
 *
 * @param {Source | undefined} forced
 * @param {Log} log
 * @returns {Promise<{ done: Outcome[], tasks: Task[] }>}
 */
export async function pulumi(forced, log) {
  if (forced !== "registries") {
    const entry = await find(downloadName, downloadKey, (line) => log(`Pulumi: ${line}`));
    if (entry) return { done: [await installDownload(entry, true)], tasks: [] };
  }
  if (forced !== "download") {
    const state = await cachedBuilds(log);
    const source =
      state.missing.length === 0
        ? "registries"
        : (forced ?? (await chooseSource(kind, sites, log)));
    if (source === "registries") return { done: state.done, tasks: buildTasks(state.missing) };
  }
  return { done: [], tasks: [downloadTask(forced === undefined)] };
}

// Download: upstream's npm launcher fetches the CLI, the CLI fetches the plugins.

const downloadName = "pulumi-download";
const downloadKey = [
  versions.pulumi,
  versions.plugins.docker,
  versions.plugins.command,
  process.platform,
  process.arch,
].join("-");

/** @param {boolean} mayBuild whether builds may take its place when it fails @returns {Task} */
const downloadTask = (mayBuild) => ({
  title: `Pulumi CLI ${versions.pulumi} and plugins, downloaded`,
  run: async (log) => {
    try {
      return await installDownload(
        await produce(downloadName, downloadKey, (dir) => download(dir, log)),
        false,
      );
    } catch (error) {
      const why = await whyNot(error);
      if (!mayBuild) {
        throw new SetupError(
          `${why}: leave TOOLCHAIN_SOURCE out to have it built from package registries`,
          { cause: error },
        );
      }
      log(`${why}; building from package registries`);
      remember(kind, "registries");
      return buildTasks((await cachedBuilds(log)).missing);
    }
  },
});

/** Says of a download that failed which hosts were to blame. @param {unknown} error */
async function whyNot(error) {
  const silent = await silentOf(sites);
  if (silent.length > 0) return `${hosts(silent)} cannot be reached from here`;
  const last = messageOf(error).split("\n").at(-1)?.trim();
  return `the download from ${hosts(sites)} broke off (${last})`;
}

/** @param {string} home @param {Log} log */
async function download(home, log) {
  const upstream = join(toolchainDir, "upstream");
  if (!matchesLockfile(upstream))
    await run("npm", ["ci", "--no-audit", "--no-fund"], { cwd: upstream, onLine: log });
  const env = {
    ...process.env,
    PULUMI_HOME: home,
    PULUMI_VERSION: versions.pulumi, // the launcher takes the caller's before its own
    PULUMI_SKIP_UPDATE_CHECK: "true",
    NODE_USE_ENV_PROXY: "1", // the launcher fetches with Node
  };
  const launcher = join(upstream, "node_modules", "pulumi", "run.js");
  await run(projectNode, [launcher, "version"], { env, onLine: log });
  const cli = join(home, "versions", versions.pulumi, "bin", "pulumi");
  for (const [name, version] of Object.entries(versions.plugins)) {
    await run(cli, ["plugin", "install", "resource", name, `v${version}`], { env, onLine: log });
  }
  for (const name of await readdir(home)) {
    if (name !== "versions" && name !== "plugins") await rm(join(home, name), { recursive: true });
  }
}

/** @param {Entry} entry @param {boolean} kept @returns {Promise<Outcome>} */
async function installDownload(entry, kept) {
  for (const file of await filesBelow(entry.dir)) {
    if (file !== "manifest.json") await install(join(entry.dir, file), join(pulumiHome, file));
  }
  return {
    piece: `Pulumi CLI ${versions.pulumi} and plugins`,
    source: "download",
    bytes: entry.bytes,
    seconds: entry.seconds,
    kept,
  };
}

// Registries: each piece is a Go program of its own.

/** @param {Log} log */
async function cachedBuilds(log) {
  const states = await Promise.all(
    goPieces.map(async (piece) => {
      const go = await goVersion(piece.module);
      const key = [piece.version, await goFingerprint(piece), process.arch, go ?? ""].join("-");
      const entry = await find(piece.name, key, (line) => log(`${piece.title}: ${line}`));
      return { piece, key, go, entry };
    }),
  );
  /** @type {Outcome[]} */
  const done = [];
  for (const { piece, entry } of states) {
    if (entry) done.push(await installBuild(piece, entry, true));
  }
  return { done, missing: states.filter(({ entry }) => !entry) };
}

const compilers = limiter(2);

/**
 * @param {{ piece: Piece, key: string, go: string | undefined }[]} missing
 * @returns {Task[]}
 */
function buildTasks(missing) {
  if (missing.some(({ go }) => go === undefined)) throw goMissing();
  return missing.map(({ piece, key }) => ({
    title: `${piece.title}, built from Go modules`,
    run: (log) =>
      compilers(async () => {
        const entry = await produce(piece.name, key, (dir) => goBuild(piece, dir, log));
        return installBuild(piece, entry, false);
      }),
  }));
}

/** @param {Piece} piece @param {Entry} entry @param {boolean} kept @returns {Promise<Outcome>} */
async function installBuild(piece, entry, kept) {
  await install(join(entry.dir, piece.output), join(piece.home, piece.output));
  return {
    piece: piece.title,
    source: "registries",
    bytes: entry.bytes,
    seconds: entry.seconds,
    kept,
  };
}

/**
 * Asks what was put into place for its version.
 *
 * @throws {SetupError} when it does not run or is another one
 */
export async function checkCli() {
  const found = await run(join(pulumiBin, "pulumi"), ["version"], {
    env: { ...process.env, PULUMI_HOME: pulumiHome, PULUMI_SKIP_UPDATE_CHECK: "true" },
  });
  if (found !== `v${versions.pulumi}`) {
    throw new SetupError(
      `the Pulumi CLI in ${pulumiBin} calls itself ${found}, not v${versions.pulumi}: delete ${pulumiHome} and run this again`,
    );
  }
}
