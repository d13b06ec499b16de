// The npm packages of the lockfile, Node 24 among them.
import { existsSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";

import { root } from "../clone.mjs";
import { SetupError, messageOf } from "../errors.mjs";
import { projectNode } from "../paths.mjs";
import { run, which } from "../process.mjs";
import { versions } from "../versions.mjs";

/** @typedef {{ version?: string, optional?: boolean, link?: boolean }} LockedPackage */

/**
 * Installs what the lockfile names, where it is not there already.
 *
 * @param {(line: string) => void} log
 * @returns {Promise<boolean>} whether anything had to be installed
 */
export async function nodePackages(log) {
  linkNode(root);
  if (matchesLockfile(root) && (await nodeVersion()) === versions.node) return false;
  if (!which("npm")) {
    throw new SetupError(
      "npm is not on PATH: install Node.js 18 or newer with npm (Debian: apt-get install nodejs npm), then run this again",
    );
  }
  log("npm ci");
  try {
    // All of them, whatever NODE_ENV or the user's own settings leave out.
    await run("npm", ["ci", "--include=dev", "--include=optional"], { cwd: root, onLine: log });
  } catch (error) {
    throw new SetupError(
      `the Node packages cannot be installed; is an npm registry reachable (npm ping)?\n${messageOf(error)}`,
      { cause: error },
    );
  }
  linkNode(root);
  const found = await nodeVersion();
  if (found !== versions.node) {
    throw new SetupError(
      `the Node ${versions.node} that npm put at ${projectNode} does not run here (found ${found ?? "none"}): it is for Linux with glibc, on x64 and arm64; this is ${process.platform} on ${process.arch}`,
    );
  }
  return true;
}

/**
 * Puts the project's Node where npm's scripts look for it first. npm 11 does so itself; 9 and 10 take the
 * link away again with the package for the other kind of processor, which has one of the same name.
 *
 * @param {string} dir project directory
 */
export function linkNode(dir) {
  const bin = join(dir, "node_modules", ".bin");
  const own = join("..", `node-linux-${process.arch}`, "bin", "node");
  if (existsSync(join(bin, "node")) || !existsSync(join(bin, own))) return;
  rmSync(join(bin, "node"), { force: true });
  symlinkSync(own, join(bin, "node"));
}

/**
 * Whether node_modules holds what package-lock.json names, by npm's own record of what it installed.
 *
 * @param {string} dir project directory
 */
export function matchesLockfile(dir) {
  try {
    const wanted = packagesOf(join(dir, "package-lock.json"));
    const installed = packagesOf(join(dir, "node_modules", ".package-lock.json"));
    const missing = Object.entries(wanted).filter(([path, entry]) => {
      const there = installed[path];
      return path !== "" && (there ? there.version !== entry?.version : !entry?.optional);
    });
    return missing.length === 0 && Object.keys(installed).every((path) => wanted[path]);
  } catch {
    return false; // never installed, or cut off
  }
}

/** @param {string} path @returns {Record<string, LockedPackage | undefined>} */
const packagesOf = (path) => JSON.parse(readFileSync(path, "utf8")).packages;

/** @returns {Promise<string | undefined>} */
const nodeVersion = () =>
  run(projectNode, ["--version"]).then(
    (text) => text.replace(/^v/, ""),
    () => undefined,
  );
