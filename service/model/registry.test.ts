import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openRegistry, type ModelSource, type RegistrySettings } from "./registry.ts";

// A server that answers as MLflow does; each test changes what it has to.
let server: Server;
let url: string;
let cacheDirectory: string;
let asked: { path: string; headers: IncomingMessage["headers"] }[];
let replies: Record<string, (reply: ServerResponse, query: URLSearchParams) => void>;

const json =
  (body: unknown, status = 200, headers: Record<string, string> = {}) =>
  (reply: ServerResponse): void => {
    reply.writeHead(status, { "content-type": "application/json", ...headers });
    reply.end(JSON.stringify(body));
  };
const API = "/api/2.0/mlflow";
const PROXY = "/api/2.0/mlflow-artifacts/artifacts";
const version = {
  name: "iris",
  version: "2",
  source: "models:/m-1",
  run_id: "r",
  tags: [] as { key: string; value: string }[],
};
const contents: Record<string, string> = { MLmodel: "flavors:", "model.onnx": "onnx" };
const listing = (names: Record<string, string>) => ({
  files: Object.entries(names).map(([path, text]) => ({
    path,
    is_dir: false,
    file_size: text.length,
  })),
});

beforeEach(async () => {
  asked = [];
  cacheDirectory = await mkdtemp(join(tmpdir(), "registry-"));
  replies = {
    [`${API}/registered-models/alias`]: json({ model_version: version }),
    [`${API}/registered-models/get-latest-versions`]: json({ model_versions: [version] }),
    [`${API}/model-versions/get-download-uri`]: json({ artifact_uri: "models:/m-1" }),
    [`${API}/logged-models/m-1`]: json({
      model: { info: { artifact_uri: "mlflow-artifacts:/1/models/m-1/artifacts" } },
    }),
    [PROXY]: json(listing(contents)),
    ...Object.fromEntries(
      Object.entries(contents).map(([name, text]) => [
        `${PROXY}/1/models/m-1/artifacts/${name}`,
        (reply: ServerResponse) => reply.end(text),
      ]),
    ),
  };
  server = createServer((request, reply) => {
    const { pathname, searchParams } = new URL(request.url ?? "", "http://mlflow");
    asked.push({ path: pathname, headers: request.headers });
    (replies[pathname] ?? json({ message: `no ${pathname}` }, 404))(reply, searchParams);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await rm(cacheDirectory, { recursive: true, force: true });
});

const open = (settings: Partial<RegistrySettings> = {}): ModelSource =>
  openRegistry({
    mlflowUrl: new URL(url),
    credentials: { kind: "none" },
    reference: { name: "iris", pointer: { kind: "alias", alias: "production" } },
    s3: undefined,
    cacheDirectory,
    replyTimeoutMs: 200,
    stallTimeoutMs: 200,
    ...settings,
  });
const never = new AbortController().signal;
const obtain = async (source: ModelSource) => source.obtain(await source.resolve(never), never);

test("follows an alias through models:/ and the artifact proxy to a verified folder", async () => {
  const { folder } = await obtain(open());
  expect(await readFile(join(folder, "model.onnx"), "utf8")).toBe("onnx");
});

test("finds the version of a stage", async () => {
  const reference = { name: "iris", pointer: { kind: "stage", stage: "Production" } } as const;
  expect(await open({ reference }).resolve(never)).toMatchObject({ version: "2" });
});

test("reads nothing again for a version that is on the disk already", async () => {
  await obtain(open());
  asked = [];
  await obtain(open());
  expect(asked.map(({ path }) => path)).toEqual([`${API}/registered-models/alias`]);
});

test("remembers over a restart what it served", async () => {
  const source = open();
  const found = await source.resolve(never);
  await source.obtain(found, never);
  await source.remember(found);
  expect(await open().last()).toMatchObject({ version: { version: "2" } });
});

test("versions that are fetched and never served do not stay on the disk", async () => {
  const source = open();
  const found = await source.resolve(never);
  const served = { ...found, version: "1" };
  for (const each of [served, found]) {
    await source.obtain(each, never);
    await source.remember(each);
  }
  for (let refused = 10; refused < 15; refused++) {
    await source.obtain({ ...found, version: String(refused) }, never);
  }
  // The last that was fetched, the one that serves and the one before it.
  const kept = (await readdir(join(cacheDirectory, "models"))).map((name) => name.split("-")[0]);
  expect(kept.sort()).toEqual(["v1", "v14", "v2"]);
  await open().remember(found);
  expect(await readdir(join(cacheDirectory, "models"))).toHaveLength(2);
});

test.each([
  ["basic", { kind: "basic", user: "u", password: "p:w" }, "Basic dTpwOnc="],
  ["bearer", { kind: "bearer", token: "t" }, "Bearer t"],
] as const)("proves itself by %s authentication", async (_, credentials, expected) => {
  await obtain(open({ credentials }));
  expect(new Set(asked.map(({ headers }) => headers.authorization))).toEqual(new Set([expected]));
});

test("asks conditionally where the server gives its answers a tag", async () => {
  const source = open();
  replies[`${API}/registered-models/alias`] = json({ model_version: version }, 200, {
    etag: '"1"',
  });
  await source.resolve(never);
  replies[`${API}/registered-models/alias`] = (reply) => reply.writeHead(304).end();
  expect(await source.resolve(never)).toMatchObject({ version: "2" });
  expect(asked.at(-1)?.headers["if-none-match"]).toBe('"1"');
});

test("tries again what failed in passing, with a limit", async () => {
  const good = replies[`${API}/model-versions/get-download-uri`];
  let failures = 2;
  replies[`${API}/model-versions/get-download-uri`] = (reply, query) => {
    if (failures-- > 0) json({ message: "busy" }, 500)(reply);
    else good?.(reply, query);
  };
  await obtain(open());
  replies[PROXY] = json({ message: "broken for good" }, 500);
  await rm(cacheDirectory, { recursive: true, force: true });
  await expect(obtain(open())).rejects.toThrow("broken for good");
}, 20_000);

test.each([
  ["a name MLflow does not know", 404, { message: "Registered Model with name=iris not found" }],
  ["an alias that is not there", 400, { message: "Registered model alias production not found." }],
  ["credentials that are refused", 401, { message: "You are not authenticated." }],
])("says plainly what is wrong with %s, asking once", async (_, status, body) => {
  replies[`${API}/registered-models/alias`] = json(body, status);
  await expect(open().resolve(never)).rejects.toThrow(`answered ${status}: ${body.message}`);
  expect(asked).toHaveLength(1);
});

test("says what to change at MLflow when it refuses the host name", async () => {
  replies[`${API}/registered-models/alias`] = (reply) =>
    reply.writeHead(403).end("Invalid Host header - possible DNS rebinding attack detected");
  await expect(open().resolve(never)).rejects.toThrow("MLFLOW_SERVER_ALLOWED_HOSTS");
});

test.each([
  ["never answers", () => undefined, "no reply within"],
  ["breaks off", (reply: ServerResponse) => reply.write("{", () => reply.destroy()), "broke off"],
  ["stalls halfway", (reply: ServerResponse) => reply.write("{"), "nothing came for"],
  ["talks without end", (reply: ServerResponse) => reply.end("x".repeat(2 ** 21)), "more than"],
  ["does not speak JSON", (reply: ServerResponse) => reply.end("<html>"), "not JSON"],
  ["answers with another form", json([]), "another form"],
  [
    "redirects in a circle",
    (r: ServerResponse) => r.writeHead(302, { location: "?x" }).end(),
    "redirected",
  ],
  [
    "redirects to a file",
    (r: ServerResponse) => r.writeHead(302, { location: "file:///etc" }).end(),
    "not allowed",
  ],
])("gives up a server that %s", async (_, answer, reason) => {
  replies[`${API}/registered-models/alias`] = answer;
  await expect(open().resolve(never)).rejects.toThrow(reason);
});

test("keeps credentials to itself when it is sent elsewhere", async () => {
  const seen: (string | undefined)[] = [];
  const other = createServer((request, reply) => {
    seen.push(request.headers.authorization);
    json({ model_version: version })(reply);
  });
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const elsewhere = `http://127.0.0.1:${(other.address() as AddressInfo).port}/x`;
  replies[`${API}/registered-models/alias`] = (reply) =>
    reply.writeHead(307, { location: elsewhere }).end();
  await open({ credentials: { kind: "bearer", token: "t" } }).resolve(never);
  other.close();
  expect(seen).toEqual([undefined]);
});

test.each([
  ["../../../etc/passwd is only its last part", "../../../etc/passwd", /no passwd|404/],
  ["..", "..", /not allowed/],
  ["a line break", "a\nb", /not allowed/],
])("never writes outside its folder for a file named %s", async (_, path, reason) => {
  replies[PROXY] = json({
    files: [...listing(contents).files, { path, is_dir: false, file_size: 1 }],
  });
  await expect(obtain(open())).rejects.toThrow(reason);
});

test("refuses folders without end", async () => {
  replies[PROXY] = json({ files: [{ path: "again", is_dir: true }] });
  await expect(obtain(open())).rejects.toThrow("not allowed");
});

test("refuses a model that is larger than allowed before reading it", async () => {
  await expect(obtain(open({ maxModelBytes: 5 }))).rejects.toThrow("allowed are 5");
  expect(asked.some(({ path }) => path.endsWith("model.onnx"))).toBe(false);
});

test("says how to publish a version that is no ONNX model", async () => {
  replies[PROXY] = json(listing({ MLmodel: "flavors:", "model.pkl": "x" }));
  await expect(obtain(open())).rejects.toThrow("npm run model -- publish models:/iris/2");
});

test.each(["gs://bucket/m", "file:///etc", "s3://bucket/m"])(
  "refuses the address %s when nothing is configured for it",
  async (uri) => {
    replies[`${API}/model-versions/get-download-uri`] = json({ artifact_uri: uri });
    await expect(obtain(open())).rejects.toThrow("the model is at");
  },
);

test("reads a model from a plain web address", async () => {
  replies[`${API}/model-versions/get-download-uri`] = json({ artifact_uri: `${url}/files/m` });
  for (const [name, text] of Object.entries(contents))
    replies[`/files/m/${name}`] = (reply) => reply.end(text);
  const { folder } = await obtain(open());
  expect(await readFile(join(folder, "MLmodel"), "utf8")).toBe("flavors:");
});

test("passes on why the registry says that a version must not be served, in bounds", async () => {
  const tagged = (value: unknown) => {
    const tags = [{ key: "inference-stack.refused", value: value as string }];
    replies[`${API}/registered-models/alias`] = json({ model_version: { ...version, tags } });
    return open().resolve(never);
  };
  expect(await tagged("agrees on 3 of 1000 rows")).toMatchObject({
    refused: { version: "2", reason: "agrees on 3 of 1000 rows" },
  });
  expect(await tagged('{"version":"4","reason":"it cannot be converted"}')).toMatchObject({
    version: "2",
    refused: { version: "4", reason: "it cannot be converted" },
  });
  expect((await tagged("x".repeat(5000))).refused?.reason).toHaveLength(2000);
  const long = JSON.stringify({ version: "4", reason: "x".repeat(5000) });
  expect((await tagged(long)).refused?.reason).toHaveLength(2000);
  expect((await tagged("")).refused?.reason).toMatch(/inference-stack.refused/);
});

test("tells a version that is not there from one that it may not read", async () => {
  for (const status of [404, 403]) {
    replies[PROXY] = json({ message: "no" }, status);
    await expect(obtain(open())).rejects.toMatchObject({ permanent: true, status });
  }
});

test("does not take a digest that is none for no digest at all", async () => {
  const tags = [{ key: "inference-stack.sha256", value: "e3b0" }];
  replies[`${API}/registered-models/alias`] = json({ model_version: { ...version, tags } });
  await expect(open().resolve(never)).rejects.toThrow("holds no SHA-256");
});

test("refuses files that are not those that were published", async () => {
  const tags = [{ key: "inference-stack.sha256", value: "0".repeat(64) }];
  replies[`${API}/registered-models/alias`] = json({ model_version: { ...version, tags } });
  await expect(obtain(open())).rejects.toThrow("was published");
}, 20_000);
