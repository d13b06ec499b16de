import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import type { Readable } from "node:stream";
import type { BucketItem } from "minio";
import { trustedAuthorities } from "./http.ts";
import { safePath } from "./manifest.ts";
import { RegistryError, reasonOf } from "./registry-error.ts";
import type { RemoteFile } from "./remote.ts";
import { steadily } from "./steadily.ts";

export interface S3Settings {
  readonly url: URL;
  readonly region: string;
  readonly accessKey: string;
  readonly secretKey: string;
  /** PEM of a private certificate authority, trusted beside the public ones. */
  readonly ca?: string;
  /** The longest wait for the headers of a reply, in ms. */
  readonly replyTimeoutMs: number;
}

/** The objects under `s3://bucket/prefix`. */
export async function listBucket(
  uri: URL,
  settings: S3Settings,
  maxFiles: number,
  signal: AbortSignal,
): Promise<RemoteFile[]> {
  const client = await connect(settings);
  const bucket = uri.host;
  const prefix = `${keyIn(uri).replace(/^\/|\/$/g, "")}/`;
  const files: RemoteFile[] = [];
  try {
    const listing = client.listObjectsV2(bucket, prefix, true);
    const objects = steadily<Partial<BucketItem>>(
      listing,
      settings.url.host,
      settings.replyTimeoutMs,
      signal,
    );
    for await (const { name, size, etag } of objects) {
      // Some clients keep an empty object for a folder.
      if (name === undefined || name.endsWith("/")) continue;
      if (files.length === maxFiles)
        throw new RegistryError(`the model has more than ${maxFiles} files`, { permanent: true });
      const path = safePath(name.slice(prefix.length));
      files.push({
        path,
        size,
        // Of an object that was uploaded in parts, the etag is something else.
        md5: /^[0-9a-f]{32}$/.exec(etag ?? "")?.[0],
        open: async (each) => openObject(await connect(settings), bucket, name, settings, each),
      });
    }
  } catch (cause) {
    throw s3Error(cause, settings.url);
  }
  return files;
}

function keyIn(uri: URL): string {
  try {
    return decodeURIComponent(uri.pathname);
  } catch (cause) {
    throw new RegistryError(`the model is at ${uri.href}, which is no address in S3`, {
      permanent: true,
      cause,
    });
  }
}

type Client = Awaited<ReturnType<typeof connect>>;

/** The client library costs 18 MB of memory: it is read by those alone that use S3 directly. */
export async function connect({ url, region, accessKey, secretKey, ca }: S3Settings) {
  const { Client } = await import("minio");
  const authorities = trustedAuthorities(ca);
  return new Client({
    endPoint: url.hostname.replace(/^\[|\]$/g, ""),
    port: Number(url.port) || (url.protocol === "https:" ? 443 : 80),
    useSSL: url.protocol === "https:",
    accessKey,
    secretKey,
    region,
    pathStyle: true,
    transportAgent:
      url.protocol === "https:"
        ? new HttpsAgent(authorities === undefined ? {} : { ca: authorities })
        : new HttpAgent(),
    // Repeating is decided in one place, for every kind of store.
    retryOptions: { disableRetry: true },
  });
}

async function openObject(
  client: Client,
  bucket: string,
  name: string,
  { url, replyTimeoutMs }: S3Settings,
  signal: AbortSignal,
): Promise<Readable> {
  const patience = AbortSignal.any([signal, AbortSignal.timeout(replyTimeoutMs)]);
  const impatient = new Promise<never>((_, reject) => {
    const give = (): void => {
      reject(new Error(`no reply within ${replyTimeoutMs / 1000} s`));
    };
    patience.addEventListener("abort", give, { once: true });
  });
  try {
    return await Promise.race([client.getObject(bucket, name), impatient]);
  } catch (cause) {
    throw s3Error(cause, url);
  }
}

function s3Error(cause: unknown, url: URL): RegistryError {
  // What broke off a listing may be the store's own word.
  const said = cause instanceof RegistryError ? cause.cause : cause;
  const code = typeof said === "object" && said !== null && "code" in said ? String(said.code) : "";
  const impossible = said instanceof Error && said.name === "InvalidBucketNameError";
  const missing = code === "NoSuchBucket" || code === "NoSuchKey";
  const hint =
    code === "SignatureDoesNotMatch" || code === "InvalidAccessKeyId"
      ? " (check the access key and the secret key given for S3)"
      : "";
  const denied = code === "AccessDenied" || hint !== "";
  if (cause instanceof RegistryError && !missing && !denied && !impossible) return cause;
  return new RegistryError(`S3 at ${url.host}: ${reasonOf(said) || code}${hint}`, {
    cause,
    permanent: missing || denied || impossible,
    ...(denied ? { status: 403 } : missing ? { status: 404 } : {}),
  });
}
