// Where pieces come from: upstream's own download, or a build from package registries.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { SetupError } from "./errors.mjs";
import { cacheDir, projectNode } from "./paths.mjs";
import { run } from "./process.mjs";

/** @typedef {"download" | "registries"} Source */

/** @type {Source[]} in the order they are tried */
export const sources = ["download", "registries"];

/** How long a silent site is waited for. */
const probeMs = 4000;

/** How long a choice is remembered: a machine taken offline for an afternoon is asked again. */
const rememberMs = 24 * 3600_000;

/**
 * @param {string | undefined} value of TOOLCHAIN_SOURCE
 * @returns {Source | undefined}
 * @throws {SetupError} for anything but a source's name
 */
export function forcedSource(value) {
  if (value === undefined || value === "") return undefined;
  const source = sources.find((known) => known === value);
  if (source) return source;
  throw new SetupError(
    `TOOLCHAIN_SOURCE=${value} is not a source: use ${sources.join(" or ")}, or leave it out to have the first that can be reached`,
  );
}

/**
 * Chooses between download and registries for one kind of piece. A choice made within a day is
 * taken again without asking the network.
 *
 * @param {string} kind what it is for, also the name under which the choice is remembered
 * @param {string[]} sites addresses the download needs, all of them
 * @param {(line: string) => void} log hears the choice and why
 * @returns {Promise<Source>}
 */
export async function chooseSource(kind, sites, log) {
  const memory = readMemory();
  const before = memory[kind];
  if (before && Date.now() - before.at < rememberMs && sources.includes(before.source)) {
    log(`${kind}: ${before.source} (chosen before; TOOLCHAIN_SOURCE overrules it)`);
    return before.source;
  }
  const silent = await silentOf(sites);
  /** @type {Source} */
  const source = silent.length === 0 ? "download" : "registries";
  log(
    source === "download"
      ? `${kind}: download from ${hosts(sites)}`
      : `${kind}: registries, as ${hosts(silent)} cannot be reached from here`,
  );
  remember(kind, source);
  return source;
}

/** @param {string} kind @param {Source} source */
export function remember(kind, source) {
  const path = memoryPath();
  mkdirSync(dirname(path), { recursive: true });
  const part = `${path}.${process.pid}.part`;
  writeFileSync(part, JSON.stringify({ ...readMemory(), [kind]: { source, at: Date.now() } }));
  renameSync(part, path);
}

const memoryPath = () => join(cacheDir(), "sources.json");

/** @returns {Record<string, { source: Source, at: number } | undefined>} */
function readMemory() {
  try {
    return JSON.parse(readFileSync(memoryPath(), "utf8"));
  } catch {
    return {}; // none yet, or damaged: both mean asking again
  }
}

/**
 * @param {string[]} sites addresses
 * @returns {Promise<string[]>} those of them that do not answer within seconds
 */
export const silentOf = async (sites) =>
  (await Promise.all(sites.map(async (site) => ((await reaches(site)) ? [] : [site])))).flat();

/**
 * Whether a site answers within seconds. Asked by the project's own Node in a process of its own,
 * as only that one goes through the proxy of HTTPS_PROXY, like the downloads themselves do.
 *
 * @param {string} site
 */
async function reaches(site) {
  // 401 is how an image registry greets a stranger.
  const ask = `fetch(${JSON.stringify(site)}, { method: "HEAD", signal: AbortSignal.timeout(${probeMs}) })
    .then((reply) => process.exit(reply.ok || reply.status === 401 ? 0 : 1), () => process.exit(1))`;
  const env = { ...process.env, NODE_USE_ENV_PROXY: "1" };
  return run(projectNode, ["--no-warnings", "-e", ask], { env, timeoutMs: probeMs + 2000 }).then(
    () => true,
    () => false,
  );
}

/** @param {string[]} sites */
export const hosts = (sites) => sites.map((site) => new URL(site).host).join(" and ");
