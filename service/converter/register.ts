import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import {
  authorizationHeader,
  type Credentials,
  parseJson,
  readText,
  trustedAuthorities,
} from "../model/http.ts";
import { DIGEST_TAG, type ModelVersion } from "../model/mlflow.ts";
import { RegistryError } from "../model/registry-error.ts";
import { connect, type S3Settings } from "../model/s3.ts";
import type { StoredModel } from "../model/store.ts";

export interface Registrar {
  readonly mlflowUrl: URL;
  readonly credentials: Credentials;
  readonly ca?: string;
  readonly s3: S3Settings | undefined;
}

/** What publishing calls its experiment, and the tag that says what a version was made of. */
const EXPERIMENT = "inference-stack";
const SOURCE_TAG = "inference-stack.source";
/** The longest silence of a server. */
const SILENCE_MS = 30_000;

/** The most that is read of a reply. */
const MOST_REPLY_BYTES = 8 * 1024 * 1024;

/**
 * Registers what was made of a version beside it in the registry that it is from, under the same name, with
 * the tags that publishing gives. Once for each version: what is made of it anew has another digest, for
 * MLflow writes the time into it. No alias or stage is moved.
 * @returns the number of the version that holds it
 */
export async function register(
  registrar: Registrar,
  original: ModelVersion,
  model: StoredModel,
): Promise<string> {
  const { name } = original;
  const ask = asker(registrar);
  const source = `models:/${name}/${original.version}`;
  for await (const { version, tags } of versionsOf(ask, name)) {
    if (tags?.some(({ key, value }) => key === SOURCE_TAG && value === source)) return version;
  }
  const experiment = await ask("GET", "experiments/get-by-name", {
    experiment_name: EXPERIMENT,
  }).catch(async (error: unknown) => {
    if (!(error instanceof RegistryError && error.status === 404)) throw error;
    return { experiment: await ask("POST", "experiments/create", { name: EXPERIMENT }) };
  });
  const run = await ask("POST", "runs/create", {
    experiment_id: experiment.experiment?.experiment_id,
    run_name: `convert ${name} ${original.version}`,
    start_time: Date.now(),
  });
  const { run_id, artifact_uri = "" } = run.run?.info ?? {};
  const end = (status: "FINISHED" | "FAILED") =>
    ask("POST", "runs/update", { run_id, status, end_time: Date.now() });
  try {
    const place = placeOf(registrar, artifact_uri);
    await upload(registrar, place, model.folder);
    const made = await ask("POST", "model-versions/create", {
      name,
      source: place.href,
      run_id,
      tags: [
        { key: DIGEST_TAG, value: model.digest },
        { key: SOURCE_TAG, value: source },
      ],
    });
    await end("FINISHED");
    return made.model_version?.version ?? "";
  } catch (error) {
    // Else it is shown as running for ever.
    await end("FAILED").catch(() => undefined);
    throw error;
  }
}

type Ask = ReturnType<typeof asker>;

async function* versionsOf(ask: Ask, name: string) {
  // MLflow takes either kind of quotes and knows no way to write one within itself.
  const quote = name.includes("'") ? '"' : "'";
  const what = { filter: `name=${quote}${name}${quote}`, max_results: "1000" };
  let page: string | undefined;
  do {
    const found = await ask("GET", "model-versions/search", {
      ...what,
      ...(page === undefined ? {} : { page_token: page }),
    });
    yield* found.model_versions ?? [];
    page = found.next_page_token === "" ? undefined : found.next_page_token;
  } while (page !== undefined);
}

/** Where a run keeps the model. @throws RegistryError where nothing can be written to there from here */
function placeOf({ s3 }: Registrar, artifacts: string): URL {
  const place = `${artifacts.replace(/\/$/, "")}/model`;
  const parsed = URL.canParse(place) ? new URL(place) : undefined;
  if (parsed?.protocol === "s3:" && s3 === undefined)
    throw new RegistryError(`it belongs at ${place} and no S3 store is configured`);
  if (parsed === undefined || !["s3:", "mlflow-artifacts:"].includes(parsed.protocol))
    throw new RegistryError(`it belongs at ${place}, which cannot be written from here`);
  return parsed;
}

/** As much of MLflow's replies as is looked at. */
interface Reply {
  readonly experiment_id?: string;
  readonly experiment?: { readonly experiment_id?: string };
  readonly run?: { readonly info?: { readonly run_id?: string; readonly artifact_uri?: string } };
  readonly next_page_token?: string;
  readonly model_version?: { readonly version: string };
  readonly model_versions?: readonly {
    readonly version: string;
    readonly tags?: readonly { readonly key: string; readonly value: string }[];
  }[];
}

const api = ({ mlflowUrl }: Registrar, path: string): URL =>
  new URL(`${mlflowUrl.pathname.replace(/\/$/, "")}/api/2.0/${path}`, mlflowUrl);

function asker(registrar: Registrar) {
  return async (
    method: "GET" | "POST",
    path: string,
    what: Readonly<Record<string, unknown>>,
  ): Promise<Reply> => {
    const url = api(registrar, `mlflow/${path}`);
    if (method === "GET") {
      for (const [key, value] of Object.entries(what)) url.searchParams.append(key, String(value));
      return parseJson(await send(registrar, "GET", url), url) as Reply;
    }
    const body = JSON.stringify(what);
    return parseJson(await send(registrar, "POST", url, body), url) as Reply;
  };
}

/** Sends `body`, which is JSON, or the content of a file. Throws RegistryError unless it is taken. */
function send(
  { credentials, ca }: Registrar,
  method: "GET" | "POST" | "PUT",
  url: URL,
  body?: string | { readonly file: string; readonly size: number },
): Promise<string> {
  const authorities = trustedAuthorities(ca);
  const length = typeof body === "object" ? body.size : Buffer.byteLength(body ?? "");
  return new Promise((resolve, reject) => {
    const request = (url.protocol === "https:" ? requestHttps : requestHttp)(
      url,
      {
        method,
        agent: false,
        timeout: SILENCE_MS,
        headers: {
          ...authorizationHeader(credentials),
          "content-type":
            typeof body === "object" ? "application/octet-stream" : "application/json",
          ...(body === undefined ? {} : { "content-length": length }),
        },
        ...(authorities === undefined ? {} : { ca: authorities }),
      },
      (reply) => {
        const { signal } = new AbortController();
        readText(reply, url, SILENCE_MS, signal, MOST_REPLY_BYTES).then((said) => {
          const status = reply.statusCode ?? 0;
          if (status === 200) resolve(said);
          else
            reject(
              new RegistryError(`${url.host} answered ${status}: ${said.slice(0, 300)}`, {
                status,
              }),
            );
        }, reject);
      },
    );
    request.once("timeout", () => request.destroy(new Error(`${url.host} does not answer`)));
    request.once("error", reject);
    if (typeof body === "object") pipeline(createReadStream(body.file), request).catch(reject);
    else request.end(body);
  });
}

async function upload(registrar: Registrar, place: URL, folder: string): Promise<void> {
  const root = decodeURIComponent(place.pathname).replace(/^\/+/, "");
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    const path = `${root}/${file.slice(folder.length + 1)}`;
    if (registrar.s3 !== undefined && place.protocol === "s3:") {
      await (await connect(registrar.s3)).fPutObject(place.host, path, file);
    } else {
      const encoded = path.split("/").map(encodeURIComponent).join("/");
      const { size } = await stat(file);
      const url = api(registrar, `mlflow-artifacts/artifacts/${encoded}`);
      await send(registrar, "PUT", url, { file, size });
    }
  }
}
