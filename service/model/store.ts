import { createHash, randomUUID } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, readFile, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { digestOf, safePath, type ManifestFile } from "./manifest.ts";
import { RegistryError } from "./registry-error.ts";
import { steadily } from "./steadily.ts";
import type { RemoteFile } from "./remote.ts";

/** A model folder on this disk whose every byte was verified when it was handed out. */
export interface StoredModel {
  /** Holds `MLmodel`, `model.onnx` and whatever belongs to them. */
  readonly folder: string;
  readonly digest: string;
}

export interface ModelStore {
  /** The model kept under `key`, verified again now; undefined when there is none or it is spoilt. */
  find(key: string): Promise<StoredModel | undefined>;
  /**
   * Reads `files` into the store under `key`: all of them or none. `expected` is the digest they
   * must have, where the publisher wrote it down.
   */
  fetch(
    key: string,
    files: readonly RemoteFile[],
    expected: string | undefined,
    signal: AbortSignal,
  ): Promise<StoredModel>;
  /** What was noted under `name` by `note`; undefined when nothing readable was. */
  recall(name: string): Promise<unknown>;
  /** Keeps a small value over restarts. */
  note(name: string, value: unknown): Promise<void>;
  /** Removes every model but those under `keys`, and what killed downloads left. */
  keepOnly(keys: readonly string[]): Promise<void>;
}

export interface StoreSettings {
  readonly directory: string;
  /** Most bytes of one model, all files together. */
  readonly maxBytes: number;
  /** The longest silence in the middle of a file, in ms. */
  readonly stallTimeoutMs: number;
}

const MANIFEST = "manifest.json";
const PARTIAL = ".partial-";
/** A download that is older than this belongs to a process that is gone. */
const ABANDONED_MS = 3_600_000;

/**
 * Models on disk. A model appears under its key by one rename, after its last byte was verified, so
 * that neither a killed process nor replicas that share the folder ever see half of one.
 */
export function createStore({ directory, maxBytes, stallTimeoutMs }: StoreSettings): ModelStore {
  const models = join(directory, "models");
  const place = (key: string): string => join(models, key);

  const find = async (key: string): Promise<StoredModel | undefined> => {
    const home = place(key);
    try {
      const manifest = JSON.parse(await readFile(join(home, MANIFEST), "utf8")) as Manifest;
      const found = await Promise.all(
        manifest.files.map(async ({ path }) => describe(join(home, "files"), safePath(path))),
      );
      const digest = digestOf(found);
      if (digest === manifest.digest) return { folder: join(home, "files"), digest };
    } catch {
      // Missing or unreadable: either way there is nothing here to believe.
    }
    // Where it cannot be removed, on a volume that is only read, it is no more believed for that.
    await rm(home, { recursive: true, force: true }).catch(() => undefined);
    return undefined;
  };

  return {
    find,
    async fetch(key, files, expected, signal) {
      await mkdir(models, { recursive: true });
      const partial = join(models, `${PARTIAL}${randomUUID()}`);
      try {
        const budget = { left: maxBytes };
        const read: ManifestFile[] = [];
        for (const file of files) {
          const target = join(partial, "files", safePath(file.path));
          read.push(await save(file, target, budget, stallTimeoutMs, signal));
        }
        const digest = digestOf(read);
        if (expected !== undefined && digest !== expected)
          throw new RegistryError(
            `the files have digest ${digest}; the registry says ${expected} was published`,
          );
        const manifest: Manifest = { digest, files: read };
        await writeFile(join(partial, MANIFEST), JSON.stringify(manifest), { flush: true });
        await rename(partial, place(key)).catch(async (cause: unknown) => {
          // Somebody who shares the folder was faster; theirs counts if it is whole.
          if ((await find(key))?.digest === digest) return;
          await rm(place(key), { recursive: true, force: true });
          await rename(partial, place(key)).catch(() => {
            throw cause;
          });
        });
        return { folder: join(place(key), "files"), digest };
      } finally {
        await rm(partial, { recursive: true, force: true });
      }
    },
    async recall(name) {
      try {
        return JSON.parse(await readFile(join(directory, `${name}.json`), "utf8")) as unknown;
      } catch {
        return undefined;
      }
    },
    async note(name, value) {
      await mkdir(directory, { recursive: true });
      const partial = join(directory, `${PARTIAL}${randomUUID()}`);
      await writeFile(partial, JSON.stringify(value), { flush: true });
      await rename(partial, join(directory, `${name}.json`));
    },
    async keepOnly(keys) {
      for (const name of await readdir(models).catch(() => [])) {
        const path = join(models, name);
        if (name.startsWith(PARTIAL)) {
          const age = Date.now() - ((await stat(path).catch(() => undefined))?.mtimeMs ?? 0);
          if (age < ABANDONED_MS) continue;
        } else if (keys.includes(name)) continue;
        await rm(path, { recursive: true, force: true });
      }
    },
  };
}

interface Manifest {
  readonly digest: string;
  readonly files: readonly ManifestFile[];
}

/** Writes one remote file to `target`, counting and hashing what really came. */
async function save(
  file: RemoteFile,
  target: string,
  budget: { left: number },
  stallTimeoutMs: number,
  signal: AbortSignal,
): Promise<ManifestFile> {
  await mkdir(dirname(target), { recursive: true });
  const sha256 = createHash("sha256");
  const md5 = createHash("md5");
  let size = 0;
  const handle = await open(target, "wx");
  try {
    const body = await file.open(signal);
    for await (const chunk of steadily(body, file.path, stallTimeoutMs, signal)) {
      size += chunk.length;
      budget.left -= chunk.length;
      if (budget.left < 0)
        throw new RegistryError("the model is larger than allowed", { permanent: true });
      if (file.size !== undefined && size > file.size) break;
      sha256.update(chunk);
      md5.update(chunk);
      await handle.writeFile(chunk);
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
  if (file.size !== undefined && size !== file.size)
    throw new RegistryError(
      `${file.path} came with ${size > file.size ? "more than " : ""}${Math.min(size, file.size)} of ${file.size} bytes`,
    );
  if (file.md5 !== undefined && md5.digest("hex") !== file.md5)
    throw new RegistryError(`${file.path} came with another digest than the store says it has`);
  return { path: file.path, size, sha256: sha256.digest("hex") };
}

async function describe(folder: string, path: string): Promise<ManifestFile> {
  const sha256 = createHash("sha256");
  let size = 0;
  for await (const chunk of createReadStream(join(folder, path)) as AsyncIterable<Buffer>) {
    size += chunk.length;
    sha256.update(chunk);
  }
  return { path, size, sha256: sha256.digest("hex") };
}
