import { createHash } from "node:crypto";
import { RegistryError } from "./registry-error.ts";

/** One file of a model folder; `path` is relative to it, with `/` between its segments. */
export interface ManifestFile {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Of the content, in hex. */
  readonly sha256: string;
}

/**
 * The one digest of a folder of files: SHA-256, in hex, over the lines `sha256sum` would print for
 * them, sorted by path. The publisher writes the same into the registry.
 */
export function digestOf(files: readonly ManifestFile[]): string {
  const lines = files
    .toSorted((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)))
    .map(({ sha256, path }) => `${sha256}  ${path}\n`);
  return createHash("sha256").update(lines.join("")).digest("hex");
}

/**
 * `path` when it stays inside the folder it is relative to and no file system chokes on it.
 * Throws RegistryError otherwise: artifact names come from whoever may write to the store.
 */
export function safePath(path: string): string {
  const segments = path.split("/");
  const bad = segments.some(
    (segment) =>
      segment === "" ||
      segment === "." ||
      segment === ".." ||
      Buffer.byteLength(segment) > 200 ||
      // eslint-disable-next-line no-control-regex -- control characters are what is looked for
      /[\u0000-\u001f\u007f\\]/.test(segment),
  );
  if (!bad && segments.length <= 16) return path;
  throw new RegistryError(
    `the artifact has a file named ${JSON.stringify(path.slice(0, 200))}, which is not allowed`,
    { permanent: true },
  );
}
