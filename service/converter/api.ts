import { createHash } from "node:crypto";
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { safePath } from "../model/manifest.ts";
import { DIGEST_TAG, REFUSED_TAG } from "../model/mlflow.ts";
import type { Catalogue } from "./catalogue.ts";

/** What is sent back: JSON, or a file of so many bytes. */
export type Answer =
  | { readonly status: number; readonly body: unknown; readonly etag?: string }
  | { readonly status: 200; readonly file: string; readonly size: number };

const API = "/api/2.0/";
const ARTIFACTS = "mlflow-artifacts/artifacts";

const refusal = (status: number, code: string, message: string): Answer => ({
  status,
  body: { error_code: code, message },
});
const notFound = (what: string): Answer => refusal(404, "RESOURCE_DOES_NOT_EXIST", what);

/** Answers as MLflow does what a replica asks it, as far as replicas ask. */
export async function answer(target: string, catalogue: Catalogue): Promise<Answer> {
  const url = URL.parse(target, "http://converter");
  if (url?.pathname.startsWith(API) !== true)
    return notFound("this is not an address that is known here");
  const path = url.pathname.slice(API.length);
  const query = (name: string): string => url.searchParams.get(name) ?? "";
  const { reference, offer, waiting } = catalogue;
  const { pointer, name } = reference;
  const told = (body: object): Answer =>
    offer === undefined
      ? refusal(503, "TEMPORARILY_UNAVAILABLE", waiting)
      : { status: 200, body, etag: etagOf(body) };
  const is = (asked: boolean, what: string, body: () => object): Answer =>
    asked && query("name") === name ? told(body()) : notFound(`this is not ${what}`);
  const followed = `the ${pointer.kind} of ${name} that is followed here`;
  switch (path) {
    case "mlflow/registered-models/alias":
      return is(pointer.kind === "alias" && query("alias") === pointer.alias, followed, () => ({
        model_version: described(catalogue),
      }));
    case "mlflow/registered-models/get-latest-versions":
      return is(pointer.kind === "stage" && query("stages") === pointer.stage, followed, () => ({
        model_versions: [described(catalogue)],
      }));
    case "mlflow/model-versions/get-download-uri":
      return is(query("version") === offer?.version.version, "a version that is here", () => ({
        artifact_uri: `mlflow-artifacts:/${offer?.model.digest ?? ""}`,
      }));
    case ARTIFACTS:
      return list(query("path"), catalogue);
    default:
      return path.startsWith(`${ARTIFACTS}/`)
        ? file(path.slice(ARTIFACTS.length + 1), catalogue)
        : notFound("this is not an address that is known here");
  }
}

function described({ offer, refused }: Catalogue): unknown {
  if (offer === undefined) return undefined;
  const { name, version, runId, source } = offer.version;
  const tags = [
    { key: DIGEST_TAG, value: offer.model.digest },
    ...(refused ? [{ key: REFUSED_TAG, value: JSON.stringify(refused) }] : []),
  ];
  return { name, version, run_id: runId, source, status: "READY", tags };
}

const etagOf = (body: unknown): string =>
  `"${createHash("sha256").update(JSON.stringify(body)).digest("hex").slice(0, 32)}"`;

/** The place on this disk that a path of an artifact means, when it is one of a model that is here. */
function placeOf(path: string, { folders }: Catalogue): string | undefined {
  try {
    const [digest = "", ...rest] = safePath(path).split("/");
    const folder = folders.get(digest);
    return folder === undefined ? undefined : join(folder, ...rest);
  } catch {
    return undefined;
  }
}

async function list(path: string, catalogue: Catalogue): Promise<Answer> {
  const place = placeOf(path, catalogue);
  if (place === undefined) return { status: 200, body: {} };
  const entries = await readdir(place, { withFileTypes: true });
  const files = await Promise.all(
    entries.map(async (entry) => ({
      path: entry.name,
      is_dir: entry.isDirectory(),
      ...(entry.isFile() ? { file_size: (await lstat(join(place, entry.name))).size } : {}),
    })),
  );
  return { status: 200, body: { files } };
}

async function file(encoded: string, catalogue: Catalogue): Promise<Answer> {
  const path = decoded(encoded);
  const place = path === undefined ? undefined : placeOf(path, catalogue);
  const found = place === undefined ? undefined : await lstat(place).catch(() => undefined);
  if (place === undefined || found?.isFile() !== true) return notFound("there is no such file");
  return { status: 200, file: place, size: found.size };
}

function decoded(path: string): string | undefined {
  try {
    return path.split("/").map(decodeURIComponent).join("/");
  } catch {
    return undefined;
  }
}
