import { createHash } from "node:crypto";
import pRetry from "p-retry";
import { createHttp, type Credentials } from "./http.ts";
import { createMlflow, type ModelReference, type ModelVersion } from "./mlflow.ts";
import { RegistryError } from "./registry-error.ts";
import { listRemote, type Stores } from "./remote.ts";
import { createStore, type ModelStore, type StoredModel } from "./store.ts";

export interface RegistrySettings {
  readonly mlflowUrl: URL;
  readonly credentials: Credentials;
  readonly reference: ModelReference;
  /** Undefined when models are only read through MLflow. */
  readonly s3:
    | {
        readonly url: URL;
        readonly region: string;
        readonly accessKey: string;
        readonly secretKey: string;
      }
    | undefined;
  /** PEM of a private certificate authority for MLflow and S3. */
  readonly ca?: string;
  /** Whether models of any flavor are read, and not only those with an ONNX file. */
  readonly anyFlavor?: boolean;
  /** Where models are kept over restarts; replicas may share it. */
  readonly cacheDirectory: string;
  /** Most bytes of one model. */
  readonly maxModelBytes?: number;
  /** The longest wait for the headers of a reply, in ms. */
  readonly replyTimeoutMs?: number;
  /** The longest silence in the middle of a reply, in ms. */
  readonly stallTimeoutMs?: number;
  /** The longest one model may take to arrive, in ms. */
  readonly downloadTimeoutMs?: number;
}

/** Where the model to serve comes from, as the watcher sees it. */
export interface ModelSource {
  /** The version the reference points at now. */
  resolve(signal: AbortSignal): Promise<ModelVersion>;
  /** The files of `version` on this disk: those kept from before, else read from where they are. */
  obtain(version: ModelVersion, signal: AbortSignal): Promise<StoredModel>;
  /** The version that was served last, when every byte of it is still here. */
  last(): Promise<{ readonly version: ModelVersion; readonly model: StoredModel } | undefined>;
  /** Remembers what is served now, and forgets all but it and the one before. */
  remember(version: ModelVersion): Promise<void>;
}

/** A registered model in MLflow, its files read through MLflow or straight from S3. */
export function openRegistry(settings: RegistrySettings): ModelSource {
  const {
    mlflowUrl,
    credentials,
    maxModelBytes = 2 * 1024 ** 3,
    replyTimeoutMs = 10_000,
    stallTimeoutMs = 10_000,
    downloadTimeoutMs = 600_000,
  } = settings;
  const ca = settings.ca === undefined ? {} : { ca: settings.ca };
  const waits = { replyTimeoutMs, stallTimeoutMs };
  const http = createHttp({ trusted: mlflowUrl, credentials, ...ca, ...waits });
  const mlflow = createMlflow(mlflowUrl, http);
  const s3 = settings.s3 && { ...settings.s3, ...ca, ...waits };
  const stores: Stores = { mlflow, http, s3 };
  const store = createStore({
    directory: settings.cacheDirectory,
    maxBytes: maxModelBytes,
    stallTimeoutMs,
  });
  return createSource({ settings, stores, store, maxModelBytes, downloadTimeoutMs });
}

interface Parts {
  readonly settings: Pick<RegistrySettings, "mlflowUrl" | "reference" | "anyFlavor">;
  readonly stores: Stores;
  readonly store: ModelStore;
  readonly maxModelBytes: number;
  readonly downloadTimeoutMs: number;
}

function createSource(parts: Parts): ModelSource {
  const { settings, stores, store, maxModelBytes, downloadTimeoutMs } = parts;
  const { mlflowUrl, reference, anyFlavor = false } = settings;
  const { kind } = reference.pointer;
  const note = `serving-${hash(mlflowUrl.href, reference.name, kind, pointerName(reference))}`;
  const keyOf = ({ name, version, source }: ModelVersion): string =>
    `v${version}-${hash(mlflowUrl.href, name, version, source)}`;

  const download = async (version: ModelVersion, signal: AbortSignal): Promise<StoredModel> => {
    const uri = await stores.mlflow.artifactUri(version, signal);
    const files = await listRemote(
      uri,
      stores,
      { maxFiles: 1000, maxBytes: maxModelBytes },
      signal,
    );
    const names = files.map((file) => file.path);
    const isOnnx = names.includes("MLmodel") && names.some((name) => name.endsWith(".onnx"));
    if (!isOnnx && !anyFlavor)
      throw new RegistryError(
        `${version.name} version ${version.version} is no ONNX model; ` +
          `npm run model -- publish models:/${version.name}/${version.version} makes one of it, ` +
          "and so does the next npx pulumi up of a stack that is attached to the registry",
        { permanent: true },
      );
    // Those that were refused since would fill the disk.
    const noted = await store.recall(note);
    await store.keepOnly([keyOf(version), ...(isNote(noted) ? keysOf(noted) : [])]);
    return store.fetch(keyOf(version), files, version.digest, signal);
  };
  const keysOf = ({ version, before }: Note): string[] => [
    keyOf(version),
    ...(before === undefined ? [] : [before]),
  ];

  return {
    resolve: (signal) => stores.mlflow.resolve(reference, signal),
    async obtain(version, signal) {
      const kept = await store.find(keyOf(version));
      if (kept && (version.digest === undefined || kept.digest === version.digest)) return kept;
      const limited = AbortSignal.any([signal, AbortSignal.timeout(downloadTimeoutMs)]);
      return pRetry(() => download(version, limited), {
        retries: 3,
        minTimeout: 250,
        maxTimeout: 4000,
        randomize: true,
        signal,
        shouldRetry: ({ error }) =>
          !limited.aborted && !(error instanceof RegistryError && error.permanent),
      });
    },
    async last() {
      const noted = await store.recall(note);
      if (!isNote(noted)) return undefined;
      const model = await store.find(keyOf(noted.version));
      return model?.digest === noted.digest ? { version: noted.version, model } : undefined;
    },
    async remember(version) {
      const before = await store.recall(note);
      const kept = await store.find(keyOf(version));
      // One that is served anew has the same before it as it had.
      const [last, ...earlier] = isNote(before) ? keysOf(before) : [];
      const previous = last === keyOf(version) ? earlier[0] : last;
      const noted = { version, digest: kept?.digest ?? "", before: previous };
      if (kept) await store.note(note, noted satisfies Note);
      await store.keepOnly(keysOf(noted));
    },
  };
}

interface Note {
  readonly version: ModelVersion;
  readonly digest: string;
  /** What was served before it, by its key. */
  readonly before?: string | undefined;
}

const isNote = (value: unknown): value is Note =>
  typeof value === "object" &&
  value !== null &&
  "digest" in value &&
  "version" in value &&
  typeof value.version === "object" &&
  value.version !== null &&
  ["name", "version", "runId", "source"].every(
    (key) => typeof Reflect.get(value.version as object, key) === "string",
  );

/** What `reference` calls its pointer: the alias or the stage. */
export const pointerName = ({ pointer }: ModelReference): string =>
  pointer.kind === "alias" ? pointer.alias : pointer.stage;

const hash = (...parts: string[]): string =>
  createHash("sha256").update(parts.join("\n")).digest("hex").slice(0, 16);
