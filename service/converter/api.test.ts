import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { digestOf } from "../model/manifest.ts";
import type { ModelVersion } from "../model/mlflow.ts";
import { openRegistry } from "../model/registry.ts";
import { type Catalogue, offering } from "./catalogue.ts";
import { createConverterServer } from "./server.ts";
import { createHash } from "node:crypto";

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
const version = (number: string): ModelVersion => ({
  name: "credit",
  version: number,
  runId: "r",
  source: `models:/m-${number}`,
  digest: undefined,
});

let folder: string;
let catalogue: Catalogue;
let server: ReturnType<typeof createConverterServer>;
let url: URL;

/** A model on this disk with the files that are given. */
function model(name: string, files: Readonly<Record<string, string>>) {
  const home = join(folder, name);
  mkdirSync(join(home, "inner"), { recursive: true });
  for (const [path, text] of Object.entries(files)) writeFileSync(join(home, path), text);
  const digest = digestOf(
    Object.entries(files).map(([path, text]) => ({
      path,
      size: text.length,
      sha256: sha256(text),
    })),
  );
  return { folder: home, digest };
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "converter-"));
  catalogue = {
    reference: { name: "credit", pointer: { kind: "stage", stage: "Production" } },
    offer: undefined,
    refused: undefined,
    waiting: "version 1 of credit is converted",
    folders: new Map(),
  };
  server = createConverterServer(() => catalogue);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});

afterEach(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

const replica = (reference = catalogue.reference) =>
  openRegistry({
    mlflowUrl: url,
    credentials: { kind: "none" },
    reference,
    s3: undefined,
    cacheDirectory: join(folder, "cache"),
  });
const signal = new AbortController().signal;

test("a replica that asks as it asks MLflow is given the files, under the original's number", async () => {
  const made = model("one", { MLmodel: "m", "model.onnx": "onnx", "inner/weights": "w" });
  catalogue = offering(catalogue, { version: version("7"), model: made });
  const source = replica();
  const found = await source.resolve(signal);
  expect(found).toEqual({ ...version("7"), digest: made.digest });
  expect((await source.obtain(found, signal)).digest).toBe(made.digest);
  // By the reply's tag, which is unchanged.
  expect(await source.resolve(signal)).toEqual(found);
});

test("it follows an alias as well, and knows no other name, alias or stage", async () => {
  const pointer = { kind: "alias", alias: "champion" } as const;
  catalogue = { ...catalogue, reference: { name: "credit", pointer } };
  catalogue = offering(catalogue, { version: version("7"), model: model("one", { MLmodel: "m" }) });
  expect((await replica().resolve(signal)).version).toBe("7");
  for (const other of [
    { name: "other", pointer },
    { name: "credit", pointer: { kind: "alias", alias: "production" } as const },
    { name: "credit", pointer: { kind: "stage", stage: "Production" } as const },
  ])
    await expect(replica(other).resolve(signal)).rejects.toThrow("answered 404");
});

test("as long as there is nothing it says why, and is not healthy", async () => {
  await expect(replica().resolve(signal)).rejects.toThrow(
    "answered 503: version 1 of credit is converted",
  );
  expect((await fetch(new URL("/healthz", url))).status).toBe(503);
  catalogue = offering(catalogue, { version: version("1"), model: model("one", { MLmodel: "m" }) });
  expect((await fetch(new URL("/healthz", url))).status).toBe(200);
});

test("what was refused is told beside what is served", async () => {
  const refused = { version: "8", reason: "it agrees on 3 of 1000 rows" };
  catalogue = offering(catalogue, { version: version("7"), model: model("one", { MLmodel: "m" }) });
  catalogue = { ...catalogue, refused };
  expect(await replica().resolve(signal)).toMatchObject({ version: "7", refused });
});

test("files of the version before can still be read, and older ones cannot", async () => {
  const models = ["one", "two", "three"].map((name) => model(name, { MLmodel: name }));
  const status = async ({ digest }: { digest: string }): Promise<number> =>
    (await fetch(new URL(`/api/2.0/mlflow-artifacts/artifacts/${digest}/MLmodel`, url))).status;
  for (const [k, each] of models.entries())
    catalogue = offering(catalogue, { version: version(String(k)), model: each });
  expect(await Promise.all(models.map(status))).toEqual([404, 200, 200]);
});

test.each([
  "/api/2.0/mlflow-artifacts/artifacts/DIGEST/../../secret",
  "/api/2.0/mlflow-artifacts/artifacts/DIGEST/..%2f..%2fsecret",
  "/api/2.0/mlflow-artifacts/artifacts/DIGEST/%2e%2e/secret",
  "/api/2.0/mlflow-artifacts/artifacts/DIGEST/%zz",
  "/api/2.0/mlflow-artifacts/artifacts/DIGEST/inner",
  "/api/2.0/mlflow-artifacts/artifacts/",
  "/api/2.0/mlflow/model-versions/search",
  "//converter/secret",
])("%s leads to nothing", async (path) => {
  writeFileSync(join(folder, "secret"), "secret");
  const made = model("one", { MLmodel: "m" });
  catalogue = offering(catalogue, { version: version("1"), model: made });
  // Not fetch, which would tidy the path.
  const sent = request(url, { path: path.replace("DIGEST", made.digest) }).end();
  const [reply] = (await once(sent, "response")) as [{ statusCode: number; resume: () => void }];
  reply.resume();
  expect(reply.statusCode).toBe(404);
});

test("only what is read is answered", async () => {
  expect((await fetch(url, { method: "POST", body: "x" })).status).toBe(405);
});
