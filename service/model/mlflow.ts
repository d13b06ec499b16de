import type { Http } from "./http.ts";
import { RegistryError } from "./registry-error.ts";

/** Which version of a registered model is wanted: the one an alias or a stage points at. */
export interface ModelReference {
  readonly name: string;
  readonly pointer:
    | { readonly kind: "alias"; readonly alias: string }
    | { readonly kind: "stage"; readonly stage: string };
}

/** One registered version, as the registry knows it. */
export interface ModelVersion {
  readonly name: string;
  readonly version: string;
  readonly runId: string;
  /** Where the version says it comes from: an artifact URI or `models:/m-…`. */
  readonly source: string;
  /** The digest its publisher wrote down, if one did: see `digestOf` in manifest.ts. */
  readonly digest: string | undefined;
  /** What the registry itself says must not be served: this version, or one that this stands in for. */
  readonly refused?: { readonly version: string; readonly reason: string };
}

/** A file or folder in an artifact folder; `name` is one segment of a path. */
export interface ArtifactEntry {
  readonly name: string;
  readonly directory: boolean;
  /** Bytes, where the server says so. */
  readonly size: number | undefined;
}

export interface Mlflow {
  readonly url: URL;
  /** The version `reference` points at now. */
  resolve(reference: ModelReference, signal: AbortSignal): Promise<ModelVersion>;
  /** Where the files of `version` are: `mlflow-artifacts:`, `s3:`, `http:`, … */
  artifactUri(version: ModelVersion, signal: AbortSignal): Promise<URL>;
  /** The entries of a folder of MLflow's artifact proxy at `base`. */
  list(base: URL, folder: string, signal: AbortSignal): Promise<ArtifactEntry[]>;
  /** The address of a file of MLflow's artifact proxy at `base`. */
  fileUrl(base: URL, path: string): URL;
}

/** The tag of a model version that holds the digest of its files. */
export const DIGEST_TAG = "inference-stack.sha256";
/**
 * The tag of a model version that must not be served: why. Or `{"version": "4", "reason": "…"}`, by
 * which a stack's converter says beside what it serves that it has refused another one.
 */
export const REFUSED_TAG = "inference-stack.refused";
/** Most characters of a tag, as MLflow has it, and of a reason that is shown. */
const MOST_TAG = 100_000;
const MOST_REASON = 2000;
const API = "api/2.0";
const PROXY = "mlflow-artifacts/artifacts";

/** MLflow's REST API, as far as serving needs it. */
export function createMlflow(url: URL, http: Http): Mlflow {
  const api = (base: URL, path: string, query: Record<string, string> = {}): URL => {
    const target = new URL(`${base.pathname.replace(/\/$/, "")}/${API}/${path}`, base);
    for (const [key, value] of Object.entries(query)) target.searchParams.append(key, value);
    return target;
  };
  // One remembered reply for the one question that is asked again and again.
  let last: { readonly address: string; readonly etag: string; readonly body: unknown } | undefined;
  const conditional = async (target: URL, signal: AbortSignal): Promise<unknown> => {
    const known = last?.address === target.href ? last : undefined;
    const reply = await http.json(target, signal, known ? { etag: known.etag } : {});
    if (!reply) return known?.body;
    if (reply.etag === undefined) last = undefined;
    else last = { address: target.href, etag: reply.etag, body: reply.body };
    return reply.body;
  };
  const ask = async (target: URL, signal: AbortSignal): Promise<Fields> =>
    fields((await http.json(target, signal))?.body);

  return {
    url,
    async resolve({ name, pointer }, signal) {
      if (pointer.kind === "alias") {
        const query = { name, alias: pointer.alias };
        const reply = await conditional(api(url, "mlflow/registered-models/alias", query), signal);
        return modelVersion(fields(reply)["model_version"]);
      }
      const query = { name, stages: pointer.stage };
      const reply = fields(
        await conditional(api(url, "mlflow/registered-models/get-latest-versions", query), signal),
      );
      const [found] = array(reply["model_versions"]);
      if (found === undefined)
        throw new RegistryError(`no version of ${name} is in stage ${pointer.stage}`, {
          permanent: true,
        });
      return modelVersion(found);
    },
    async artifactUri({ name, version }, signal) {
      const query = { name, version };
      const reply = await ask(api(url, "mlflow/model-versions/get-download-uri", query), signal);
      const uri = uriOf(reply["artifact_uri"]);
      if (uri.protocol !== "models:") return uri;
      const id = /^models:\/(m-[\w-]{1,64})$/.exec(uri.href)?.[1];
      if (id === undefined)
        throw new RegistryError(`${name} ${version} points at ${uri.href}, which names no model`, {
          permanent: true,
        });
      const logged = await ask(api(url, `mlflow/logged-models/${id}`), signal);
      return uriOf(fields(fields(logged["model"])["info"])["artifact_uri"]);
    },
    async list(base, folder, signal) {
      const { origin, root } = proxied(url, base);
      const path = [root, folder].filter((part) => part !== "").join("/");
      const target = api(origin, PROXY);
      target.search = `path=${encodeURIComponent(path)}`;
      return array((await ask(target, signal))["files"]).map(artifactEntry);
    },
    fileUrl(base, path) {
      const { origin, root } = proxied(url, base);
      const segments = [...root.split("/"), ...path.split("/")].filter((part) => part !== "");
      return api(origin, `${PROXY}/${segments.map(encodeURIComponent).join("/")}`);
    },
  };
}

/** The server of an artifact URI that goes through an MLflow proxy, and the path under it. */
function proxied(tracking: URL, uri: URL): { readonly origin: URL; readonly root: string } {
  if (uri.protocol === "mlflow-artifacts:") {
    const root = decodePath(uri.pathname);
    if (uri.host === "") return { origin: tracking, root };
    // As MLflow's own client has it: another host, and all else as for the tracking server.
    const origin = URL.parse(tracking.pathname, `${tracking.protocol}//${uri.host}`);
    if (origin) return { origin, root };
    throw new RegistryError(`the model is at ${uri.href}, which names no host`, {
      permanent: true,
    });
  }
  const [prefix = "", root = ""] = uri.pathname.split(`/${PROXY}`, 2);
  return {
    origin: new URL(prefix.replace(new RegExp(`/${API}$`), "/"), uri),
    root: decodePath(root),
  };
}

/** Whether the files at `uri` are listed and read through an MLflow server. */
export const isProxied = (uri: URL): boolean =>
  uri.protocol === "mlflow-artifacts:" ||
  (["http:", "https:"].includes(uri.protocol) && uri.pathname.includes(`/${PROXY}`));

const decodePath = (path: string): string => {
  try {
    return decodeURIComponent(path).replace(/^\/+/, "");
  } catch {
    return path.replace(/^\/+/, "");
  }
};

type Fields = Readonly<Record<string, unknown>>;

function fields(value: unknown): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Fields;
  throw new RegistryError("MLflow answered with JSON of another form than its API has");
}

const array = (value: unknown): unknown[] => (Array.isArray(value) ? (value as unknown[]) : []);

const textOf = (value: unknown, max = 4096): string =>
  (typeof value === "string" || typeof value === "number" ? String(value) : "").slice(0, max);

function uriOf(value: unknown): URL {
  const uri = URL.parse(textOf(value));
  if (uri) return uri;
  throw new RegistryError(`MLflow gave the artifact address "${textOf(value, 200)}", not a URI`, {
    permanent: true,
  });
}

function modelVersion(value: unknown): ModelVersion {
  const given = fields(value);
  const tags = array(given["tags"]).map(fields);
  const tag = (key: string): unknown => tags.find((each) => each["key"] === key)?.["value"];
  const digest = tag(DIGEST_TAG);
  const number = textOf(given["version"], 20);
  const refused = refusedIn(tag(REFUSED_TAG), number);
  if (digest !== undefined && !(typeof digest === "string" && /^[0-9a-f]{64}$/.test(digest)))
    throw new RegistryError(`the tag ${DIGEST_TAG} of a model version holds no SHA-256`);
  const version = {
    name: textOf(given["name"], 256),
    version: number,
    runId: textOf(given["run_id"], 64),
    source: textOf(given["source"]),
    digest,
    ...(refused === undefined ? {} : { refused }),
  };
  if (version.name !== "" && /^\d+$/.test(version.version)) return version;
  throw new RegistryError("MLflow answered with a model version that has no name or number", {
    permanent: true,
  });
}

function refusedIn(tag: unknown, own: string): ModelVersion["refused"] {
  if (tag === undefined) return undefined;
  const text = textOf(tag, MOST_TAG);
  const said = (reason: string): string =>
    reason.slice(0, MOST_REASON).trim() || `it has the tag ${REFUSED_TAG}`;
  try {
    const { version, reason } = fields(JSON.parse(text));
    return { version: textOf(version, 20) || own, reason: said(textOf(reason)) };
  } catch {
    return { version: own, reason: said(text) };
  }
}

function artifactEntry(value: unknown): ArtifactEntry {
  const given = fields(value);
  const size = Number(given["file_size"] ?? NaN);
  return {
    // Servers disagree on whether a path is relative to the folder that was asked for.
    name: textOf(given["path"], 1024).split("/").at(-1) ?? "",
    directory: given["is_dir"] === true,
    size: Number.isSafeInteger(size) && size >= 0 ? size : undefined,
  };
}
