import { text } from "node:stream/consumers";
import { createHttp, type Http } from "../model/http.ts";
import { createMlflow } from "../model/mlflow.ts";
import { RegistryError, reasonOf } from "../model/registry-error.ts";
import type { RegistrySettings } from "../model/registry.ts";
import { listRemote, type RemoteFile } from "../model/remote.ts";
import { type Flavor, flavorOf } from "./flavor.ts";

/** What a registry's records say of the model to be served. */
export type Finding =
  | { readonly kind: "found"; readonly version: string; readonly flavor: Flavor }
  /** There is no registered model of the name; some that there are. */
  | { readonly kind: "no model"; readonly others: readonly string[] }
  /** The alias or stage points at none of its versions; those that do. */
  | { readonly kind: "no pointer"; readonly aliases: Pointers; readonly stages: Pointers }
  /** It answered, and to ask again would change nothing. */
  | { readonly kind: "refused"; readonly reason: string }
  /** It gave no answer that says anything. */
  | { readonly kind: "silent"; readonly reason: string };

/** Version by alias or stage. */
export type Pointers = Readonly<Record<string, string>>;

/** Plain values: it is told to a process elsewhere. */
export type Look = Pick<RegistrySettings, "credentials" | "reference" | "ca"> & {
  readonly mlflowUrl: string;
  readonly s3:
    { readonly url: string; readonly accessKey: string; readonly secretKey: string } | undefined;
};

const WAITS = { replyTimeoutMs: 5000, stallTimeoutMs: 5000 };
/** The longest that all of it may take. */
const PATIENCE_MS = 9000;
const MOST_BYTES = 1024 ** 2;

/** Asks a registry, and the store behind it, what there is to serve. Reads nothing but records. */
export async function lookAt(look: Look): Promise<Finding> {
  try {
    return await find(look, AbortSignal.timeout(PATIENCE_MS));
  } catch (error) {
    const permanent = error instanceof RegistryError && error.permanent;
    return { kind: permanent ? "refused" : "silent", reason: reasonOf(error) };
  }
}

async function find(look: Look, signal: AbortSignal): Promise<Finding> {
  const ca = look.ca === undefined ? {} : { ca: look.ca };
  const url = new URL(look.mlflowUrl);
  const http = createHttp({ trusted: url, credentials: look.credentials, ...ca, ...WAITS });
  const mlflow = createMlflow(url, http);
  const s3 = look.s3 && {
    ...look.s3,
    url: new URL(look.s3.url),
    region: "us-east-1",
    ...ca,
    ...WAITS,
  };
  const { reference } = look;
  const registered = await registeredModel(url, reference.name, http, signal);
  if (!("aliases" in registered)) return { kind: "no model", others: registered.others };
  const version = await mlflow.resolve(reference, signal).catch((error: unknown) => {
    if (error instanceof RegistryError && error.permanent) return undefined;
    throw error;
  });
  if (version === undefined) return { kind: "no pointer", ...registered };
  const uri = await mlflow.artifactUri(version, signal);
  const limits = { maxFiles: 1000, maxBytes: Number.MAX_SAFE_INTEGER };
  const files = await listRemote(uri, { mlflow, http, s3 }, limits, signal);
  const described = files.find(({ path }) => path === "MLmodel");
  const flavor = described === undefined ? { other: [] } : flavorOf(await read(described, signal));
  return { kind: "found", version: version.version, flavor };
}

async function registeredModel(
  url: URL,
  name: string,
  http: Http,
  signal: AbortSignal,
): Promise<
  { readonly aliases: Pointers; readonly stages: Pointers } | { readonly others: string[] }
> {
  const ask = async (path: string, query: Record<string, string>): Promise<unknown> => {
    const target = new URL(`${url.pathname.replace(/\/$/, "")}/api/2.0/mlflow/${path}`, url);
    target.search = new URLSearchParams(query).toString();
    return (await http.json(target, signal))?.body;
  };
  try {
    const { registered_model: found } = (await ask("registered-models/get", { name })) as Reply;
    return {
      aliases: pointers(found?.aliases, "alias"),
      stages: pointers(found?.latest_versions, "current_stage"),
    };
  } catch (error) {
    if (!(error instanceof RegistryError && error.status === 404)) throw error;
    const { registered_models: all } = (await ask("registered-models/search", {
      max_results: "10",
    })) as Reply;
    return { others: (all ?? []).map((each) => String(each["name"])) };
  }
}

interface Reply {
  readonly registered_model?: {
    readonly aliases?: readonly Record<string, unknown>[];
    readonly latest_versions?: readonly Record<string, unknown>[];
  };
  readonly registered_models?: readonly Record<string, unknown>[];
}

const pointers = (all: readonly Record<string, unknown>[] | undefined, key: string): Pointers =>
  Object.fromEntries((all ?? []).map((each) => [String(each[key]), String(each["version"])]));

async function read(file: RemoteFile, signal: AbortSignal): Promise<string> {
  if ((file.size ?? 0) > MOST_BYTES)
    throw new RegistryError("MLmodel is larger than any that is known", { permanent: true });
  return text(await file.open(signal));
}

// Where it runs its text is given to Node on standard input, after a line with what to look at.
const given = (globalThis as { look?: Look }).look;
if (given !== undefined) {
  process.stdout.write(JSON.stringify(await lookAt(given)));
  process.exit(0);
}
