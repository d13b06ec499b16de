import { execFile } from "node:child_process";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Client } from "minio";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { root } from "../toolchain/clone.mjs";
import { run } from "../toolchain/process.mjs";
import { baseImages } from "../toolchain/versions.mjs";
import { faultProxy, type Fault, type FaultProxy } from "./support/fault-proxy.ts";
import { realRegistry, type RealRegistry } from "./support/registry.ts";
import { runService, steadyLoad, until, type RunningService } from "./support/service.ts";

// A real MLflow and a real S3 store; the service sees each through a proxy that can spoil answers.
let registry: RealRegistry;
let mlflow: FaultProxy;
let s3: FaultProxy;
let work: string;
let services: RunningService[] = [];

const CREDIT = JSON.stringify({
  age: 40,
  income: 50_000,
  "debt ratio": 0.2,
  sex: "male",
  region: "east",
  education: "mid",
});

async function model(...args: string[]): Promise<Record<string, unknown>> {
  const { stdout } = await promisify(execFile)(
    join(root, "node_modules/.bin/node"),
    [
      join(root, "toolchain/model/cli.ts"),
      ...args,
      ...["--json", "--connection", join(work, "connection.json")],
    ],
    { maxBuffer: 1 << 24 },
  );
  return JSON.parse(stdout) as Record<string, unknown>;
}

const start = async (name: string, cache: string, direct = false): Promise<RunningService> => {
  const service = await runService({
    mlflowUrl: mlflow.url,
    model: name,
    cacheFolder: join(work, cache),
    ...(direct
      ? { s3: { url: s3.url, accessKey: registry.accessKey, secretKey: registry.secretKey } }
      : {}),
  });
  services.push(service);
  return service;
};

const serves = (service: RunningService, version: string, ms?: number): Promise<void> =>
  until(
    `version ${version} serves`,
    async () => (await service.get("/model")).body["version"] === version,
    ms,
  );

beforeAll(async () => {
  registry = await realRegistry();
  mlflow = await faultProxy(registry.mlflowHost, 5000);
  s3 = await faultProxy(registry.s3Host, 9000);
  work = await mkdtemp(join(tmpdir(), "models-"));
  await writeFile(
    join(work, "connection.json"),
    JSON.stringify({ mlflowUrl: "http://mlflow:5000", network: registry.network }),
  );
});

afterEach(async () => {
  await Promise.all(services.map((service) => service.stop()));
  services = [];
  mlflow.fault = { kind: "none" };
  s3.fault = { kind: "none" };
});

afterAll(async () => {
  await Promise.all([mlflow.close(), s3.close()]);
  await registry.remove();
  await rm(work, { recursive: true });
});

interface Conversion {
  readonly kind: string;
  readonly rows: number;
  readonly agreed: number;
  readonly difference: number | null;
}

test("every kind of model predicts as the original does on 1,000 rows", async () => {
  const code = join(root, "toolchain/model/python");
  const script = await readFile(join(root, "test/support/conversions.py"), "utf8");
  const name = `${registry.network}-fit`;
  const out = await run("docker", [
    ...[
      "run",
      `--name=${name}`,
      "--network=none",
      "--memory=2g",
      "--env=PYTHONPATH=/opt/python:/code",
    ],
    ...[`--volume=${code}:/code:ro`, baseImages.mlflow, "python3", "-c"],
    `import os; os.mkdir("/tmp/out"); import sys; sys.argv = ["", "/tmp/out"]\n${script}`,
  ]);
  await run("docker", ["cp", `${name}:/tmp/out/.`, work]);
  await run("docker", ["rm", name]);
  const conversions = JSON.parse(out) as Conversion[];
  expect(conversions.length).toBeGreaterThan(25);
  for (const { kind, rows, agreed, difference } of conversions) {
    expect(rows, kind).toBe(1000);
    expect(agreed / rows, kind).toBeGreaterThanOrEqual(0.999);
    expect(difference ?? 0, kind).toBeLessThanOrEqual(1e-5);
  }
});

test("a pickled pipeline is published, checked, listed, promoted and rolled back", async () => {
  const rows = join(work, "rows.csv");
  const first = await model(
    "publish",
    join(work, "regression.pkl"),
    "--name",
    "credit",
    "--sample",
    rows,
  );
  expect(first).toMatchObject({
    version: "1",
    alias: "production",
    agreement: { rows: 1000, agreed: 1000 },
  });
  // Without rows they are made up from the categories and ranges that the pipeline has learned.
  const second = await model("publish", join(work, "forest.pkl"), "--name", "credit");
  expect(second).toMatchObject({ version: "2", before: "1", agreement: { rows: 1000 } });
  expect(await model("rollback", "--name", "credit")).toMatchObject({ version: "1", before: "2" });
  expect(await model("list", "--name", "credit")).toMatchObject({
    versions: [
      { version: "2", aliases: [], onnx: true },
      { version: "1", aliases: ["production"], onnx: true },
    ],
  });
});

test("what cannot be published is refused with one sentence, and registers nothing", async () => {
  const broken = join(work, "broken.pkl");
  await writeFile(broken, "this is no pickle");
  await expect(model("publish", broken, "--name", "broken")).rejects.toThrow("cannot be unpickled");
  await expect(model("list", "--name", "broken")).rejects.toThrow("no registered model broken");
  await expect(model("promote", "9", "--name", "credit")).rejects.toThrow("has no version 9");
});

test("a pickle reaches nothing but MLflow and leaves nothing behind", async () => {
  const spy = join(work, "spy.pkl");
  // Unpickling runs this; what it finds out comes back as the message of its failure.
  const code = `
import os, socket, urllib.request
found = []
def attempt(name, what):
    try: what(); found.append(name)
    except Exception: pass
attempt("root", lambda: os.getuid() == 0 or 1 / 0)
attempt("write", lambda: open("/opt/x", "w"))
attempt("internet", lambda: socket.create_connection(("${registry.s3Host}", 9000), 2))
attempt("gateway", lambda: socket.create_connection((socket.gethostbyname("egress").rsplit(".", 1)[0] + ".1", 22), 2))
opener = urllib.request.build_opener(urllib.request.ProxyHandler({"http": "http://egress:3128"}))
attempt("proxy", lambda: opener.open("http://${registry.s3Host}:9000/minio/health/live", timeout=2))
attempt("mlflow", lambda: opener.open("http://mlflow:5000/health", timeout=20))
raise ValueError("reached " + ",".join(found))
`;
  await run("python3", ["-c", PICKLER, spy], { input: code });
  await expect(model("publish", spy, "--name", "spy")).rejects.toThrow(/reached mlflow\b/);
  const left = await run("docker", [
    "ps",
    "--all",
    "--filter",
    "name=-model-",
    "--format",
    "{{.Names}}",
  ]);
  expect(left).toBe("");
});

const PICKLER = `
import pickle, sys
class Spy:
    def __init__(self, code): self.code = code
    def __reduce__(self): return exec, (self.code, {})
open(sys.argv[1], "wb").write(pickle.dumps(Spy(sys.stdin.read())))
`;

describe("a service that follows the registry", () => {
  test("changes over in one instant at 500 requests/s, without a failure or a look at the registry", async () => {
    const service = await start("credit", "promote");
    await serves(service, "1");
    const load = steadyLoad(service.url, CREDIT, 500);
    await new Promise((resolve) => setTimeout(resolve, 2000));
    await model("promote", "2", "--name", "credit");
    await serves(service, "2");
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const before = mlflow.connections;
    await new Promise((resolve) => setTimeout(resolve, 3000));
    // The watcher's own looks, two a second: one for each request would be 1,500.
    expect(mlflow.connections - before).toBeLessThan(50);
    const answers = await load.stop();
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    expect(answers.length).toBeGreaterThan(3000);
    const [old, fresh, ...others] = [...new Set(answers.map(({ body }) => body))];
    expect(others).toEqual([]);
    const firstFresh = Math.min(
      ...answers.filter(({ body }) => body === fresh).map(({ answered }) => answered),
    );
    const late = answers.filter(({ body, asked }) => body === old && asked > firstFresh);
    expect(late).toEqual([]);
    const { body } = await service.get("/model");
    expect(body).toMatchObject({
      version: "2",
      origin: "registry",
      history: [{ version: "2" }, { version: "1", until: expect.any(String) as string }],
    });
    await model("promote", "1", "--name", "credit");
  });

  test("keeps the old version when callers would notice the new one, and says why", async () => {
    await model("publish", join(root, "service/models/iris"), "--name", "other");
    await model("publish", join(work, "regression.pkl"), "--name", "other", "--alias", "none");
    const service = await start("other", "refuse");
    await serves(service, "1");
    await model("promote", "2", "--name", "other");
    await until("it is refused", async () => "refused" in (await service.get("/model")).body);
    const { body } = await service.get("/model");
    expect(body).toMatchObject({
      version: "1",
      refused: {
        version: "2",
        reason: expect.stringContaining("sepal_length is not taken any more") as string,
      },
    });
    const metrics = await (await fetch(`${service.url}/metrics`)).text();
    expect(metrics).toContain("model_refused 1");
  });

  test("reads a model straight from S3", async () => {
    await registerInBucket("direct");
    const before = s3.connections;
    const service = await start("direct", "direct", true);
    await serves(service, "1");
    expect(s3.connections - before).toBeGreaterThan(1);
    const reply = await fetch(`${service.url}/predict`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: CREDIT,
    });
    expect(reply.status).toBe(200);
  });
});

/** Puts a published model's files into the bucket by themselves and registers that address. */
async function registerInBucket(name: string): Promise<void> {
  const client = new Client({
    endPoint: registry.s3Host,
    port: 9000,
    useSSL: false,
    accessKey: registry.accessKey,
    secretKey: registry.secretKey,
    region: "us-east-1",
  });
  const kept = join(work, "promote/models");
  const [folder = ""] = (await readdir(kept)).filter((each) => each.startsWith("v1-"));
  for (const file of await readdir(join(kept, folder, "files")))
    await client.fPutObject("mlflow", `${name}/${file}`, join(kept, folder, "files", file));
  const post = async (path: string, body: unknown): Promise<void> => {
    const reply = await fetch(`http://${registry.mlflowHost}:5000/api/2.0/mlflow/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    expect(reply.status, await reply.text()).toBe(200);
  };
  await post("registered-models/create", { name });
  await post("model-versions/create", { name, source: `s3://mlflow/${name}` });
  await post("registered-models/alias", { name, alias: "production", version: "1" });
}

const FAULTS: [string, Fault][] = [
  ["down", { kind: "down" }],
  ["silent", { kind: "silent" }],
  ["slow", { kind: "slow", ms: 700 }],
  ["stalled halfway", { kind: "stall", after: 400 }],
  ["answering 500", { kind: "error" }],
  ["truncating answers", { kind: "truncate", after: 400 }],
  // Far enough in that only files are spoilt; what MLflow itself says is shorter.
  ["spoiling files", { kind: "corrupt", at: 2000 }],
];

describe.each(FAULTS)("with MLflow %s", (name, fault) => {
  test("starts from the model it kept, and from nothing as soon as it can", async () => {
    const kept = await start("credit", "kept");
    await serves(kept, "1");
    await kept.stop();
    services = [];
    mlflow.fault = fault;
    const [again, fresh] = await Promise.all([
      start("credit", "kept"),
      start("credit", `fresh-${name.replaceAll(" ", "-")}`),
    ]);
    await serves(again, "1", 20_000);
    await until("it is alive", async () => (await fresh.get("/healthz")).status === 200);
    if (fault.kind !== "slow") {
      const origin = fault.kind === "corrupt" ? "registry" : "cache";
      expect((await again.get("/model")).body).toMatchObject({ origin });
      expect((await fresh.get("/readyz")).status).toBe(503);
    }
    mlflow.fault = { kind: "none" };
    await serves(fresh, "1", 60_000);
    await until(
      "the registry confirms what was kept",
      async () => (await again.get("/model")).body["origin"] === "registry",
      90_000,
    );
  });
});

test("loses no request while MLflow and S3 fail in every way, and takes the next version after", async () => {
  await registerInBucket("shaky");
  const [proxied, direct] = await Promise.all([
    start("credit", "shaky-1"),
    start("shaky", "shaky-2", true),
  ]);
  await Promise.all([serves(proxied, "1"), serves(direct, "1")]);
  const loads = [proxied, direct].map(({ url }) => steadyLoad(url, CREDIT, 100));
  mlflow.fault = { kind: "down" };
  await model("promote", "2", "--name", "credit");
  for (const [, fault] of FAULTS) {
    mlflow.fault = fault;
    s3.fault = fault;
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
  mlflow.fault = { kind: "none" };
  s3.fault = { kind: "none" };
  await serves(proxied, "2", 90_000);
  for (const load of loads) {
    const answers = await load.stop();
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    expect(answers.length).toBeGreaterThan(1000);
  }
});
