import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { register } from "./register.ts";

// A server that answers as MLflow does, as far as it is asked here.
let server: Server;
let url: URL;
let folder: string;
let asked: { what: string; body: string; authorization: string | undefined }[];
let versions: object[];
let hasExperiment: boolean;

const replies: Record<string, () => [number, unknown]> = {
  "GET model-versions/search": () => [200, { model_versions: versions }],
  "GET experiments/get-by-name": () =>
    hasExperiment
      ? [200, { experiment: { experiment_id: "7" } }]
      : [404, { error_code: "RESOURCE_DOES_NOT_EXIST" }],
  "POST experiments/create": () => [200, { experiment_id: "8" }],
  "POST runs/create": () => [
    200,
    { run: { info: { run_id: "r", artifact_uri: "mlflow-artifacts:/8/r/artifacts" } } },
  ],
  "POST model-versions/create": () => [200, { model_version: { version: "9" } }],
  "POST runs/update": () => [200, {}],
};

beforeEach(async () => {
  asked = [];
  versions = [];
  hasExperiment = false;
  folder = mkdtempSync(join(tmpdir(), "register-"));
  writeFileSync(join(folder, "MLmodel"), "flavors:");
  writeFileSync(join(folder, "model.onnx"), "onnx");
  server = createServer((request, reply) => {
    void text(request).then((body) => {
      const path = (request.url ?? "").split("?")[0] ?? "";
      const what = `${request.method ?? ""} ${path.replace(/^\/under\/api\/2\.0\/(mlflow\/)?/, "")}`;
      asked.push({ what, body, authorization: request.headers.authorization });
      const [status, said] = what.startsWith("PUT ") ? [200, {}] : (replies[what]?.() ?? [500, {}]);
      reply.writeHead(status).end(JSON.stringify(said));
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/under/`);
});

afterEach(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

const original = { name: "credit", version: "3", runId: "r", source: "s", digest: undefined };
const registered = () =>
  register(
    { mlflowUrl: url, credentials: { kind: "bearer", token: "hidden" }, s3: undefined },
    original,
    { folder, digest: "d1" },
  );

test("what was made of a version is uploaded and registered beside it, with what it was made of", async () => {
  expect(await registered()).toBe("9");
  const put = asked.filter(({ what }) => what.startsWith("PUT "));
  expect(put.map(({ what, body }) => [what, body]).sort()).toEqual([
    ["PUT mlflow-artifacts/artifacts/8/r/artifacts/model/MLmodel", "flavors:"],
    ["PUT mlflow-artifacts/artifacts/8/r/artifacts/model/model.onnx", "onnx"],
  ]);
  const made = asked.find(({ what }) => what === "POST model-versions/create");
  expect(JSON.parse(made?.body ?? "")).toEqual({
    name: "credit",
    source: "mlflow-artifacts:/8/r/artifacts/model",
    run_id: "r",
    tags: [
      { key: "inference-stack.sha256", value: "d1" },
      { key: "inference-stack.source", value: "models:/credit/3" },
    ],
  });
  expect(new Set(asked.map(({ authorization }) => authorization))).toEqual(
    new Set(["Bearer hidden"]),
  );
});

test("an experiment that is there is taken", async () => {
  hasExperiment = true;
  await registered();
  const run = asked.find(({ what }) => what === "POST runs/create");
  expect(JSON.parse(run?.body ?? "")).toMatchObject({ experiment_id: "7" });
});

test("what is registered already is not a second time", async () => {
  versions = [{ version: "5", tags: [{ key: "inference-stack.sha256", value: "d1" }] }];
  expect(await registered()).toBe("5");
  expect(asked).toHaveLength(1);
});
