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
let asked: {
  what: string;
  body: string;
  query: URLSearchParams;
  authorization: string | undefined;
}[];
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
      const [path = "", query] = (request.url ?? "").split("?");
      const what = `${request.method ?? ""} ${path.replace(/^\/under\/api\/2\.0\/(mlflow\/)?/, "")}`;
      const { authorization } = request.headers;
      asked.push({ what, body, query: new URLSearchParams(query), authorization });
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
const registered = (version: typeof original = original) =>
  register(
    { mlflowUrl: url, credentials: { kind: "bearer", token: "hidden" }, s3: undefined },
    version,
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

const SOURCE = "inference-stack.source";

test("what was made of a version is registered once, whatever its digest is when it is made anew", async () => {
  const of = (value: string) => ({ version: "5", tags: [{ key: SOURCE, value }] });
  versions = [of("models:/credit/2")];
  expect(await registered()).toBe("9");
  versions = [of("models:/credit/3")];
  expect(await registered()).toBe("5");
  expect(asked.filter(({ what }) => what === "POST model-versions/create")).toHaveLength(1);
});

test("it is looked for on every page, by a name with whatever quotes", async () => {
  const pages: Record<string, unknown>[] = [
    { model_versions: [], next_page_token: "more" },
    { model_versions: [{ version: "6", tags: [{ key: SOURCE, value: "models:/it's/3" }] }] },
  ];
  const before = replies["GET model-versions/search"];
  replies["GET model-versions/search"] = () => [200, pages.shift()];
  try {
    expect(await registered({ ...original, name: "it's" })).toBe("6");
  } finally {
    if (before) replies["GET model-versions/search"] = before;
  }
  expect(asked.map(({ query }) => query.get("filter"))).toEqual(Array(2).fill(`name="it's"`));
  expect(asked[1]?.query.get("page_token")).toBe("more");
});

test.each([
  ["a folder of its machine", "/mlruns/8/r/artifacts"],
  ["a store without a key here", "s3://theirs/8/r"],
  ["another kind of store", "gs://theirs/8/r"],
])(
  "where its artifacts are %s nothing is sent, and the run is no longer shown as running",
  async (_, place) => {
    const before = replies["POST runs/create"];
    replies["POST runs/create"] = () => [
      200,
      { run: { info: { run_id: "r", artifact_uri: place } } },
    ];
    try {
      await expect(registered()).rejects.toThrow(`it belongs at ${place}/model`);
    } finally {
      if (before) replies["POST runs/create"] = before;
    }
    expect(asked.some(({ what }) => what.startsWith("PUT"))).toBe(false);
    expect(JSON.parse(asked.at(-1)?.body ?? "")).toMatchObject({ run_id: "r", status: "FAILED" });
  },
);
