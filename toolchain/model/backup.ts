import { randomBytes } from "node:crypto";
import { createWriteStream, existsSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { rename } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import type { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { SetupError } from "../errors.mjs";

/** @throws SetupError where a backup would take the place of a file that is there. */
export function refuseToOverwrite(file: string, force: boolean): void {
  if (file === "-") return;
  if (existsSync(file) && !force) {
    throw new SetupError(`${file} is there already; --force writes over it`);
  }
  if (existsSync(file) && !statSync(file).isFile()) throw new SetupError(`${file} is no file`);
  const folder = dirname(resolve(file));
  if (!existsSync(folder)) throw new SetupError(`there is no folder ${folder} to write to`);
}

/**
 * Has a backup written to `file` (`-`: standard output). It stands there when it is whole, and before
 * that under another name that goes away again. Only its owner may read it.
 */
export async function exportTo<T>(
  file: string,
  force: boolean,
  write: (output: Writable) => Promise<T>,
): Promise<T> {
  if (file === "-") return write(process.stdout);
  const target = resolve(file);
  const part = join(
    dirname(target),
    `.${basename(target)}.${randomBytes(4).toString("hex")}.partial`,
  );
  const remove = (): void => {
    rmSync(part, { force: true });
  };
  // Also where a signal ends this process.
  process.once("exit", remove);
  try {
    const result = await write(createWriteStream(part, { mode: 0o600, flags: "wx", flush: true }));
    refuseToOverwrite(file, force);
    await rename(part, target);
    return result;
  } finally {
    remove();
    process.off("exit", remove);
  }
}

/**
 * The file of a backup to be read more than once; what comes on standard input (`-`) is kept in one
 * until this process ends.
 * @throws SetupError where there is none.
 */
export async function importable(file: string): Promise<string> {
  if (file !== "-") {
    if (!existsSync(file)) throw new SetupError(`there is no file ${file}`);
    if (!statSync(file).isFile()) throw new SetupError(`${file} is no file`);
    return resolve(file);
  }
  const folder = mkdtempSync(join(tmpdir(), "inference-stack-backup-"));
  process.once("exit", () => {
    rmSync(folder, { recursive: true, force: true });
  });
  const kept = join(folder, "backup.tar");
  await pipeline(process.stdin, createWriteStream(kept, { mode: 0o600 }));
  return kept;
}
