// What is built or downloaded once per machine. An entry is a directory that appears by one rename
// with a manifest of checksums in it, so it is whole or absent, and is believed only while every
// file still has its checksum. Clones that build the same thing at once each fill a directory of
// their own; the first rename wins.
import { createHash, randomBytes } from "node:crypto";
import { createReadStream, readFileSync } from "node:fs";
import {
  copyFile,
  link,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { hostname } from "node:os";
import { dirname, join, relative } from "node:path";
import { pipeline } from "node:stream/promises";

import { SetupError } from "./errors.mjs";
import { cacheDir } from "./paths.mjs";

/**
 * @typedef {{ dir: string, bytes: number, seconds: number }} Entry where it is, its size, what it took
 * @typedef {{ files: Record<string, { sha256: string, bytes: number }>, seconds: number }} Manifest
 */

const manifestName = "manifest.json";

/** @param {string} path @returns {Promise<string>} hex */
export async function sha256(path) {
  const hash = createHash("sha256");
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest("hex");
}

/** @param {string} dir @returns {Promise<string[]>} paths of the files below, relative and sorted */
export async function filesBelow(dir) {
  const entries = await readdir(dir, { withFileTypes: true });
  const lists = await Promise.all(
    entries.map(async (entry) => {
      const path = join(dir, entry.name);
      if (entry.isDirectory())
        return (await filesBelow(path)).map((file) => join(entry.name, file));
      return [entry.name];
    }),
  );
  return lists.flat().sort();
}

/**
 * A short name for content: the same files and words give the same one on every machine.
 *
 * @param {string[]} paths files and directories
 * @param {unknown[]} words whatever else decides the result
 * @returns {Promise<string>} 16 hex digits
 */
export async function fingerprint(paths, words) {
  const hash = createHash("sha256").update(JSON.stringify(words));
  for (const path of paths) {
    const files = (await stat(path)).isDirectory() ? await filesBelow(path) : [""];
    for (const file of files) {
      hash.update(`\0${file}\0`).update(readFileSync(file === "" ? path : join(path, file)));
    }
  }
  return hash.digest("hex").slice(0, 16);
}

/** @param {string} name @param {string} key */
const entryDir = (name, key) => join(cacheDir(), name, key);

/**
 * The entry, if it is there and undamaged. A damaged one is taken away and told about.
 *
 * @param {string} name
 * @param {string} key
 * @param {(line: string) => void} [log]
 * @returns {Promise<Entry | undefined>}
 */
export async function find(name, key, log = () => {}) {
  const dir = entryDir(name, key);
  /** @type {Manifest} */
  let manifest;
  try {
    manifest = JSON.parse(await readFile(join(dir, manifestName), "utf8"));
  } catch (error) {
    if (!(await exists(dir))) return undefined;
    log(`its cached copy has no readable manifest (${String(error)}); making it again`);
    await discard(dir);
    return undefined;
  }
  let bytes = 0;
  for (const [file, expected] of Object.entries(manifest.files)) {
    const path = join(dir, file);
    const size = (await stat(path).catch(() => undefined))?.size;
    if (size !== expected.bytes || (await sha256(path)) !== expected.sha256) {
      log(`its cached copy is damaged (${file} does not match its checksum); making it again`);
      await discard(dir);
      return undefined;
    }
    bytes += expected.bytes;
  }
  return { dir, bytes, seconds: manifest.seconds };
}

/**
 * Fills a new entry. Nothing of it can be seen under its name before all of it is on disk.
 *
 * @param {string} name
 * @param {string} key
 * @param {(dir: string) => Promise<void>} fill puts the files into an empty directory
 * @returns {Promise<Entry>}
 */
export async function produce(name, key, fill) {
  const dir = entryDir(name, key);
  const started = Date.now();
  const scratch = await scratchDir(name);
  try {
    await fill(scratch);
    /** @type {Manifest} */
    const manifest = { files: {}, seconds: 0 };
    let bytes = 0;
    for (const file of await filesBelow(scratch)) {
      const path = join(scratch, file);
      await flush(path);
      const size = (await stat(path)).size;
      manifest.files[file] = { sha256: await sha256(path), bytes: size };
      bytes += size;
    }
    manifest.seconds = (Date.now() - started) / 1000;
    await writeFile(join(scratch, manifestName), JSON.stringify(manifest, null, 2));
    await flush(join(scratch, manifestName));
    await mkdir(dirname(dir), { recursive: true });
    try {
      await rename(scratch, dir);
    } catch (error) {
      // Another set-up was first. Its copy is as good, unless it has been damaged since.
      const other = await find(name, key);
      if (other) return other;
      await rename(scratch, dir).catch(() => {
        throw new SetupError(`cannot put ${name} into the cache at ${dir}`, { cause: error });
      });
    }
    return { dir, bytes, seconds: manifest.seconds };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/**
 * An empty directory in the cache for work in progress. What killed set-ups left is swept first.
 *
 * @param {string} name
 */
export async function scratchDir(name) {
  const parent = join(cacheDir(), "tmp");
  await mkdir(parent, { recursive: true });
  for (const entry of await readdir(parent)) {
    const [host, pid] = entry.split("~");
    if (host === hostname() && !alive(Number(pid))) {
      await rm(join(parent, entry), { recursive: true, force: true });
    }
  }
  const dir = join(
    parent,
    [hostname(), process.pid, name, randomBytes(4).toString("hex")].join("~"),
  );
  await mkdir(dir);
  return dir;
}

/**
 * Puts a file of an entry where it is used: the same bytes, and never half of them.
 *
 * @param {string} from
 * @param {string} to
 */
export async function install(from, to) {
  const [source, target] = await Promise.all([stat(from), stat(to).catch(() => undefined)]);
  if (target && target.dev === source.dev && target.ino === source.ino) return;
  if (target && target.size === source.size && (await sha256(to)) === (await sha256(from))) return;
  await mkdir(dirname(to), { recursive: true });
  const part = `${to}.${process.pid}.part`;
  await rm(part, { force: true });
  await link(from, part).catch(() => copyFile(from, part)); // another file system cannot link
  await rename(part, to);
}

/** @param {string} dir */
async function discard(dir) {
  const away = join(await scratchDir("damaged"), relative(cacheDir(), dir).replaceAll("/", "-"));
  await rename(dir, away).catch(() => {});
  await rm(dirname(away), { recursive: true, force: true });
}

/** @param {string} path */
async function flush(path) {
  const handle = await open(path, "r");
  await handle.sync();
  await handle.close();
}

/** @param {string} path */
const exists = (path) =>
  stat(path).then(
    () => true,
    () => false,
  );

/** @param {number} pid */
function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === "EPERM";
  }
}
