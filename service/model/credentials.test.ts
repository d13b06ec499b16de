import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { lookAt } from "../converter/look.ts";
import { authorizationFor, type Credentials } from "./http.ts";
import { openRegistry, type RegistrySettings } from "./registry.ts";

// Whoever may register a version in MLflow chooses the addresses that its files are read from. Here
// an MLflow that sits under a path, and a stranger who answers everything that MLflow would.

const CREDENTIALS = [
  ["a token", { kind: "bearer", token: "t" }, "Bearer t"],
  ["a password", { kind: "basic", user: "u", password: "p" }, "Basic dTpw"],
] as const satisfies [string, Credentials, string][];
const PREFIX = "/tracking";
const FILES = { MLmodel: "flavors:\n  onnx: {}\n", "model.onnx": "onnx" };

interface Asked {
  readonly path: string;
  readonly authorization: string | undefined;
}
interface Party {
  readonly server: Server;
  readonly asked: Asked[];
  readonly port: number;
}

let folder: string;
let mlflow: Party;
let stranger: Party;
/** What MLflow says of where the version's files are. */
let source: string;
/** Where an address redirects to, by the party's port and its path. */
let redirects: Map<string, string>;

async function party(): Promise<Party> {
  const asked: Asked[] = [];
  const server = createServer((request, reply) => {
    const url = new URL(request.url ?? "", "http://party");
    asked.push({ path: url.pathname, authorization: request.headers.authorization });
    const to = redirects.get(`${port}${url.pathname}`);
    if (to === undefined) answer(url, reply);
    else reply.writeHead(307, { location: to }).end();
  });
  server.listen(0);
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { server, asked, port };
}

function answer({ pathname }: URL, reply: ServerResponse): void {
  const version = { name: "iris", version: "2", source, run_id: "r", tags: [] };
  const known: Record<string, unknown> = {
    "mlflow/registered-models/alias": { model_version: version },
    "mlflow/registered-models/get": {
      registered_model: { aliases: [{ alias: "production", version: "2" }] },
    },
    "mlflow/model-versions/get-download-uri": { artifact_uri: source },
    "mlflow/logged-models/m-1": { model: { info: { artifact_uri: logged } } },
    "mlflow-artifacts/artifacts": {
      files: Object.keys(FILES).map((path) => ({ path, is_dir: false })),
    },
  };
  const said = known[pathname.split("/api/2.0/")[1] ?? ""];
  const file = Object.entries(FILES).find(([name]) => pathname.endsWith(`/${name}`));
  if (said !== undefined) reply.end(JSON.stringify(said));
  else if (file) reply.end(file[1]);
  else reply.writeHead(404).end("<Error><Code>NoSuchBucket</Code></Error>");
}
/** Where MLflow says that the files of `models:/m-1` are. */
let logged: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "credentials-"));
  redirects = new Map();
  logged = "mlflow-artifacts:/1/models/m-1/artifacts";
  [mlflow, stranger] = await Promise.all([party(), party()]);
});
afterEach(() => {
  for (const { server } of [mlflow, stranger]) {
    server.closeAllConnections();
    server.close();
  }
  rmSync(folder, { recursive: true, force: true });
});

const never = new AbortController().signal;
const settings = (credentials: Credentials): RegistrySettings => ({
  mlflowUrl: new URL(`http://127.0.0.1:${mlflow.port}${PREFIX}`),
  credentials,
  reference: { name: "iris", pointer: { kind: "alias", alias: "production" } },
  s3: undefined,
  cacheDirectory: folder,
});
/** Reads the version as a replica does, and as the look before a deployment does. */
async function readBothWays(credentials: Credentials): Promise<void> {
  const { reference, mlflowUrl } = settings(credentials);
  const registry = openRegistry(settings(credentials));
  await registry.obtain(await registry.resolve(never), never);
  const finding = await lookAt({
    mlflowUrl: mlflowUrl.href,
    credentials,
    reference,
    s3: undefined,
  });
  expect(finding).toMatchObject({ kind: "found", flavor: "onnx" });
}
const shown = ({ asked }: Party): Set<string | undefined> =>
  new Set(asked.map(({ authorization }) => authorization));

/** Addresses at the stranger's, by the port of each. */
const STRANGE: [string, (theirs: number, own: number) => string][] = [
  ["a plain address", (port) => `http://127.0.0.1:${port}/m`],
  ["another port of the same host", (port) => `http://localhost:${port}/m`],
  ["an artifact proxy", (port) => `mlflow-artifacts://127.0.0.1:${port}/m`],
  ["an artifact proxy in capitals", (port) => `mlflow-artifacts://LOCALHOST:${port}/m`],
  [
    "the address of an artifact proxy",
    (port) => `http://127.0.0.1:${port}/api/2.0/mlflow-artifacts/artifacts/m`,
  ],
  [
    "MLflow's address as the name of a user",
    (port, own) => `http://127.0.0.1:${own}@127.0.0.1:${port}/m`,
  ],
  [
    "a proxy with MLflow's host as the name of a user",
    (port) => `mlflow-artifacts://127.0.0.1@127.0.0.1:${port}/m`,
  ],
];

const KEPT = CREDENTIALS.flatMap(([what, ...how]) =>
  STRANGE.map(([where, address]) => [what, where, address, ...how] as const),
);

test.each(KEPT)(
  "%s is kept from a stranger that a version names by %s",
  async (_, __, address, credentials, expected) => {
    for (const through of ["source", "logged"] as const) {
      mlflow.asked.length = stranger.asked.length = 0;
      if (through === "source") source = address(stranger.port, mlflow.port);
      else [source, logged] = ["models:/m-1", address(stranger.port, mlflow.port)];
      rmSync(folder, { recursive: true });
      await readBothWays(credentials);
      expect(stranger.asked.length).toBeGreaterThanOrEqual(3);
      expect([...shown(stranger)]).not.toContain(expected);
      expect(shown(mlflow)).toEqual(new Set([expected]));
    }
  },
);

test.each(CREDENTIALS)(
  "%s goes to MLflow under a path, wherever its artifacts are on its own origin",
  async (_, credentials, expected) => {
    for (const address of [
      `mlflow-artifacts:/m`,
      `mlflow-artifacts://127.0.0.1:${mlflow.port}/m`,
      `http://127.0.0.1:${mlflow.port}/files/m`,
      `HTTP://127.0.0.1:${mlflow.port}${PREFIX}/api/2.0/mlflow-artifacts/artifacts/m`,
      `http://somebody@127.0.0.1:${mlflow.port}/files/m`,
    ]) {
      source = address;
      mlflow.asked.length = 0;
      rmSync(folder, { recursive: true });
      await readBothWays(credentials);
      expect(shown(mlflow)).toEqual(new Set([expected]));
      const artifacts = mlflow.asked.filter(({ path }) => path.includes("/mlflow-artifacts/"));
      expect(artifacts.every(({ path }) => path.startsWith(PREFIX))).toBe(true);
    }
    expect(stranger.asked).toEqual([]);
  },
);

test.each(CREDENTIALS)(
  "%s stays behind in a redirect to a stranger, and goes along in one to MLflow",
  async (_, credentials, expected) => {
    const away = (path: string) => `http://127.0.0.1:${stranger.port}${path}`;
    const back = (path: string) => `http://127.0.0.1:${mlflow.port}${path}`;
    const file = `${PREFIX}/api/2.0/mlflow-artifacts/artifacts/m/MLmodel`;
    source = "mlflow-artifacts:/m";
    redirects.set(`${mlflow.port}${file}`, away("/once"));
    redirects.set(`${stranger.port}/once`, away("/twice/MLmodel"));
    await readBothWays(credentials);
    expect(stranger.asked.map(({ path }) => path)).toContain("/twice/MLmodel");
    expect(shown(stranger)).toEqual(new Set([undefined]));

    rmSync(folder, { recursive: true });
    redirects.set(`${stranger.port}/once`, back("/again/MLmodel"));
    await readBothWays(credentials);
    expect(shown(stranger)).toEqual(new Set([undefined]));
    expect(mlflow.asked).toContainEqual({ path: "/again/MLmodel", authorization: expected });

    // From a stranger who was named at first, to another who was not.
    rmSync(folder, { recursive: true });
    source = away("/m");
    for (const name of ["MLmodel", "model.onnx"])
      redirects.set(`${stranger.port}/m/${name}`, `http://localhost:${stranger.port}/n/${name}`);
    await readBothWays(credentials);
    expect(shown(stranger)).toEqual(new Set([undefined]));
  },
);

const bearer = { kind: "bearer", token: "t" } as const;
const HTTPS = "https://mlflow.example";

test.each([
  [HTTPS, `${HTTPS}/any/path?and=query`, true],
  [HTTPS, `${HTTPS}:443/`, true],
  [`${HTTPS}:443/under/a/path`, `${HTTPS}/`, true],
  ["http://mlflow.example:80", "http://mlflow.example/", true],
  [HTTPS, "HTTPS://MLFlow.Example/", true],
  [HTTPS, "https://user:word@mlflow.example/", true],
  ["http://[::1]:5000", "http://[0:0:0:0:0:0:0:1]:5000/", true],
  [HTTPS, "http://mlflow.example/", false],
  [HTTPS, "http://mlflow.example:443/", false],
  [HTTPS, `${HTTPS}:8443/`, false],
  [HTTPS, "https://mlflow.example@elsewhere/", false],
  [HTTPS, "https://mlflow.example.elsewhere/", false],
  [HTTPS, "https://elsewhere/mlflow.example", false],
  [HTTPS, "https://a.mlflow.example/", false],
  ["https://a.mlflow.example", `${HTTPS}/`, false],
  [HTTPS, "https://mlflow.example\\@elsewhere/", true],
])("what belongs to %s goes to %s: %s", (trusted, target, goes) => {
  const headers = authorizationFor(new URL(target), {
    trusted: new URL(trusted),
    credentials: bearer,
  });
  expect(headers).toEqual(goes ? { authorization: "Bearer t" } : {});
});

test("the keys of S3 sign nothing but what is asked of the configured store", async () => {
  const store = await party();
  const s3 = {
    url: new URL(`http://127.0.0.1:${store.port}`),
    region: "us-east-1",
    accessKey: "access-key",
    secretKey: "secret-key",
  };
  for (const address of [
    `s3://bucket/m`,
    `s3://127.0.0.1:${stranger.port}/m`,
    `s3://localhost/m`,
    `s3://127.0.0.1:${stranger.port}@bucket/m`,
    `http://127.0.0.1:${stranger.port}/m`,
    `mlflow-artifacts://127.0.0.1:${stranger.port}/m`,
    `s3://bucket/api/2.0/mlflow-artifacts/artifacts/m`,
  ]) {
    source = address;
    rmSync(folder, { recursive: true, force: true });
    const registry = openRegistry({ ...settings(bearer), s3, stallTimeoutMs: 500 });
    const found = await registry.resolve(never);
    // The store knows no such bucket; what counts is who was asked for it.
    await registry.obtain(found, never).catch(() => undefined);
  }
  store.server.closeAllConnections();
  store.server.close();
  expect(store.asked.length).toBeGreaterThan(0);
  expect(
    store.asked.every(({ authorization = "" }) => /^AWS4-.*access-key/.test(authorization)),
  ).toBe(true);
  expect(shown(stranger)).toEqual(new Set([undefined]));
  expect(shown(mlflow)).toEqual(new Set(["Bearer t"]));
});

test.each(["s3://bucket:9000/m", "s3://bucket/%zz", "mlflow-artifacts://%zz/m"])(
  "%s is an address that a version itself has got wrong",
  async (address) => {
    source = address;
    const s3 = { url: new URL(HTTPS), region: "us-east-1", accessKey: "a", secretKey: "s" };
    const registry = openRegistry({ ...settings(bearer), s3 });
    const found = await registry.resolve(never);
    await expect(registry.obtain(found, never)).rejects.toMatchObject({ permanent: true });
  },
);
