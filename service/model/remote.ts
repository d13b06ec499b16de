import type { Readable } from "node:stream";
import type { Http } from "./http.ts";
import { safePath } from "./manifest.ts";
import { isProxied, type Mlflow } from "./mlflow.ts";
import { RegistryError } from "./registry-error.ts";
import { listBucket, type S3Settings } from "./s3.ts";

/** A file of an artifact folder where it is kept, not read yet. */
export interface RemoteFile {
  readonly path: string;
  /** Bytes, where the store says so. */
  readonly size: number | undefined;
  /** MD5 of the content in hex, where the store says so. */
  readonly md5: string | undefined;
  open(signal: AbortSignal): Promise<Readable>;
}

export interface Limits {
  /** Most files of one model. */
  readonly maxFiles: number;
  /** Most bytes of one model, all files together. */
  readonly maxBytes: number;
}

export interface Stores {
  readonly mlflow: Mlflow;
  readonly http: Http;
  /** Undefined when no S3 store is configured: `s3:` addresses are refused then. */
  readonly s3: S3Settings | undefined;
}

/** Every file of the artifact folder at `uri`, refused when there are too many or too large. */
export async function listRemote(
  uri: URL,
  { mlflow, http, s3 }: Stores,
  limits: Limits,
  signal: AbortSignal,
): Promise<RemoteFile[]> {
  const files = await (async () => {
    if (isProxied(uri)) return listProxied(uri, mlflow, http, limits, signal);
    if (uri.protocol === "s3:") {
      if (s3) return listBucket(uri, s3, limits.maxFiles, signal);
      throw new RegistryError(
        `the model is at ${uri.href} and no S3 store is configured (s3Url and its keys)`,
        { permanent: true },
      );
    }
    if (uri.protocol === "http:" || uri.protocol === "https:") return plainFiles(uri, http);
    throw new RegistryError(
      `the model is at ${uri.protocol}//…; allowed are mlflow-artifacts:, s3:, http: and https:`,
      { permanent: true },
    );
  })();
  if (files.length === 0) throw new RegistryError(`nothing is at ${uri.href}`, { permanent: true });
  const bytes = files.reduce((sum, file) => sum + (file.size ?? 0), 0);
  if (bytes > limits.maxBytes)
    throw new RegistryError(`the model has ${bytes} bytes; allowed are ${limits.maxBytes}`, {
      permanent: true,
    });
  return files;
}

async function listProxied(
  uri: URL,
  mlflow: Mlflow,
  http: Http,
  { maxFiles }: Limits,
  signal: AbortSignal,
): Promise<RemoteFile[]> {
  const files: RemoteFile[] = [];
  const folders = [""];
  let entries = 0;
  for (let folder = folders.shift(); folder !== undefined; folder = folders.shift()) {
    for (const entry of await mlflow.list(uri, folder, signal)) {
      if (++entries > maxFiles)
        throw new RegistryError(`the model has more than ${maxFiles} files and folders`, {
          permanent: true,
        });
      const path = safePath(folder === "" ? entry.name : `${folder}/${entry.name}`);
      if (entry.directory) folders.push(path);
      else
        files.push({
          path,
          size: entry.size,
          md5: undefined,
          open: (each) => http.open(mlflow.fileUrl(uri, path), each),
        });
    }
  }
  return files;
}

/** A web server lists nothing, so of a plain address only the files every ONNX model has are read. */
function plainFiles(uri: URL, http: Http): RemoteFile[] {
  return ["MLmodel", "model.onnx"].map((path) => ({
    path,
    size: undefined,
    md5: undefined,
    open: (signal) => {
      const url = new URL(uri);
      url.pathname = `${uri.pathname.replace(/\/$/, "")}/${path}`;
      return http.open(url, signal);
    },
  }));
}
