// Which Pulumi backend, home and passphrase are in use: the caller's wherever they chose one, and
// else this clone's own. The CLI's order of choice is kept; ours stands last, where the CLI would
// turn to Pulumi Cloud.
import { existsSync, readFileSync, readdirSync, realpathSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { parse } from "yaml";
import { root, stateDir } from "../clone.mjs";
import { pulumiHome } from "../paths.mjs";

/** The project's name, as Pulumi.yaml says it. */
export const project = "inference-stack";

export const backendDir = join(stateDir, "backend");
export const backendUrl = `file://${backendDir}`;
export const passphraseFile = join(stateDir, "passphrase");

/** @param {string} path */
function real(path) {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/**
 * The folder of a local backend; undefined for one that is elsewhere.
 * @param {string} url
 */
function localFolder(url) {
  const [, path] = /^file:\/\/([^?]*)/.exec(url) ?? [];
  if (path === undefined) return undefined;
  return real(resolve(root, path.replace(/^~(?=\/|$)/, homedir())));
}

/**
 * @typedef {object} Choice
 * @property {boolean} ownBackend
 * @property {string} home
 * @property {boolean} ownHome
 * @property {boolean} ownPassphrase
 *
 * What is the caller's, and what this clone's own. What `npm run env` exported is ours again. A
 * variable that is empty says nothing, as for the CLI; only an empty passphrase is one.
 * PULUMI_ACCESS_TOKEN alone chooses nothing: many have it in their profile, or in CI for another
 * project, and nobody means by it that this project's state should go to the cloud.
 *
 * @param {NodeJS.ProcessEnv} caller
 * @param {string | undefined} projectUrl backend.url of Pulumi.yaml
 * @param {(home: string) => string | undefined} loginOf the backend that is logged in to in a home
 * @returns {Choice}
 */
export function choose(caller, projectUrl, loginOf) {
  const home = caller["PULUMI_HOME"] || pulumiHome;
  const url = caller["PULUMI_BACKEND_URL"] || projectUrl || loginOf(home);
  const file = caller["PULUMI_CONFIG_PASSPHRASE_FILE"];
  return {
    ownBackend: !url || localFolder(url) === real(backendDir),
    home,
    ownHome: real(home) === real(pulumiHome),
    ownPassphrase:
      caller["PULUMI_CONFIG_PASSPHRASE"] === undefined &&
      (!file || real(resolve(file)) === real(passphraseFile)),
  };
}

/** @param {string} file @param {(text: string) => any} read */
function readOr(file, read) {
  try {
    return read(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

/**
 * The same, of this clone and the homes on this machine.
 * @param {NodeJS.ProcessEnv} caller
 */
export function chosen(caller = process.env) {
  return choose(
    caller,
    readOr(join(root, "Pulumi.yaml"), parse)?.backend?.url,
    (home) => readOr(join(home, "credentials.json"), JSON.parse)?.current || undefined,
  );
}

/**
 * The stack that `pulumi stack select` chose on the clone's own backend.
 * @param {string} home
 * @returns {string | undefined} its name, or its fully qualified one
 */
export function selectedStack(home) {
  const dir = join(home, "workspaces");
  for (const name of existsSync(dir) ? readdirSync(dir) : []) {
    const stack = readOr(join(dir, name), JSON.parse)?.stacks?.[backendUrl];
    if (typeof stack === "string") return stack;
  }
  return undefined;
}
