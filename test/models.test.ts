import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { Client } from "minio";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { readLimits } from "../service/limits.ts";
import { chooseSizing } from "../service/sizing.ts";
import { folderId, label, root } from "../toolchain/clone.mjs";
import { runInSandbox } from "../toolchain/model/sandbox.ts";
import { run } from "../toolchain/process.mjs";
import { baseImages } from "../toolchain/versions.mjs";
import { buildImage, removeImage, startContainer } from "./service/container.ts";
import { faultProxy, type Fault, type FaultProxy } from "./support/fault-proxy.ts";
import { needProgram } from "./support/programs.ts";
import { realRegistry, type RealRegistry } from "./support/registry.ts";
import { privateCertificate, tlsProxy } from "./support/tls-proxy.ts";
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

const model = (...args: string[]) => modelAt(join(work, "connection.json"), ...args);

async function modelAt(connection: string, ...args: string[]): Promise<Record<string, unknown>> {
  const { stdout } = await promisify(execFile)(
    join(root, "node_modules/.bin/node"),
    [join(root, "toolchain/model/cli.ts"), ...args, ...["--json", "--connection", connection]],
    { maxBuffer: 1 << 24 },
  );
  return JSON.parse(stdout) as Record<string, unknown>;
}

const start = async (name: string, cache: string, direct = false): Promise<RunningService> => {
  const service = await runService({
    // What MLflow's proxy spoils would keep the service from ever asking the store.
    mlflowUrl: direct ? `http://${registry.mlflowHost}:5000` : mlflow.url,
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
  // Containers with another user read from it.
  await chmod(work, 0o755);
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

test("a model that disagrees on one row of a thousand is published, and the row is named", async () => {
  const sample = ["--sample", join(work, "rows.csv")];
  const nearly = join(work, "contrary-1000.pkl");
  expect(await model("publish", nearly, "--name", "nearly", ...sample)).toMatchObject({
    version: "1",
    agreement: { rows: 1000, agreed: 999, disagreements: [{ row: 0 }] },
  });
});

test("a registered scikit-learn version becomes an ONNX version beside it", async () => {
  const script = `
import mlflow, joblib, pandas
model, rows = joblib.load("/rows/regression.pkl"), pandas.read_csv("/rows/rows.csv")
with mlflow.start_run():
    mlflow.sklearn.log_model(
        model, name="model", registered_model_name="original", serialization_format="cloudpickle",
        signature=mlflow.models.infer_signature(rows, model.predict(rows)), input_example=rows[:5])
`;
  await run("docker", [
    ...["run", "--rm", `--network=${registry.network}`, "--memory=2g", "--log-driver=none"],
    ...["--read-only", "--tmpfs=/tmp:size=256m,mode=1777", `--volume=${work}:/rows:ro`],
    ...["--env=MLFLOW_TRACKING_URI=http://mlflow:5000", "--env=GIT_PYTHON_REFRESH=quiet"],
    ...["--env=PYTHONPATH=/opt/python", baseImages.mlflow, "python3", "-c", script],
  ]);
  expect(await model("publish", "models:/original/1", "--name", "original")).toMatchObject({
    version: "2",
    alias: "production",
    agreement: { rows: 1000, agreed: 1000 },
  });
  const { versions } = await model("list", "--name", "original");
  expect(versions).toMatchObject([
    { version: "2", onnx: true, source: "models:/original/1" },
    { version: "1", onnx: false, aliases: [] },
  ]);
  // By the run that logged it too; its signature, the usual one, knows nothing of probabilities.
  const logged = await mlflowApi("model-versions/get?name=original&version=1");
  const source = `runs:/${(logged["model_version"] as { run_id: string }).run_id}/model`;
  const connection = { mlflowUrl: "http://mlflow:5000", network: registry.network };
  const said: string[] = [];
  const found = await runInSandbox({
    request: { command: "publish", name: "original", source, nullable: ["region"] },
    connection,
    onProgress: (line) => said.push(line),
  });
  expect(found).toMatchObject({
    ...{ version: "3", class_labels: ["no", "yes"], sample_rows: 5 },
    columns: {
      age: { kind: "integer", nullable: true },
      sex: { kind: "string", nullable: false },
      region: { kind: "string", nullable: true },
    },
  });
  expect(said).toEqual(
    expect.arrayContaining([`fetching ${source}`, "registering the ONNX version"]),
  );
});

test("what cannot be published is refused with one sentence, and registers nothing", async () => {
  const broken = join(work, "broken.pkl");
  await writeFile(broken, "this is no pickle");
  await expect(model("publish", broken, "--name", "broken")).rejects.toThrow("cannot be unpickled");
  const contrary = join(work, "contrary-50.pkl");
  await expect(
    model("publish", contrary, "--name", "broken", "--sample", join(work, "rows.csv")),
  ).rejects.toThrow(
    /agrees on 980 of 1000 rows; at least 99\.9% are needed:\n +row 0: (yes|no) became (yes|no)\n +row 50: /,
  );
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
  await run(await needProgram("python3"), ["-c", PICKLER, spy], { input: code });
  await expect(model("publish", spy, "--name", "spy")).rejects.toThrow(/reached mlflow\b/);
  const left = await run("docker", [
    "ps",
    "--all",
    "--filter",
    `label=${label.part}=converter`,
    "--filter",
    `label=${label.folder}=${folderId}`,
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
    const [before, from] = [mlflow.connections, performance.now()];
    await new Promise((resolve) => setTimeout(resolve, 3000));
    // The looks of one watcher, each 400 ms or more after the last; one for each request would be 1,500.
    const looks = (performance.now() - from) / 400 + 1;
    expect(mlflow.connections - before).toBeLessThanOrEqual(looks);
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
    const waits = answers.map(({ asked, answered }) => answered - asked).sort((a, b) => a - b);
    console.log(
      `${answers.length} requests over a promotion: none failed; median ` +
        `${waits[waits.length >> 1]?.toFixed(1) ?? "?"} ms, longest ${waits.at(-1)?.toFixed(0) ?? "?"} ms`,
    );
    expect(await service.everywhere("/v2/models/credit")).toHaveLength(1);
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
    const told = await service.everywhere("/model");
    for (const { text } of told) {
      const { check, ...rest } = JSON.parse(text) as Record<string, unknown>;
      // Only the time of the last look may pass between two answers.
      expect([rest, check]).toEqual([
        { ...body, check: undefined },
        { at: expect.any(String) as string, failures: 0 },
      ]);
    }
    const text = await service.metrics();
    expect(text).toContain("\nmodel_refused 1\n");
    expect(text).toContain(`\ninference_model_info{name="other",version="1"`);
  });

  test("starts a process that was killed with the model that was promoted meanwhile", async () => {
    const service = await start("credit", "killed");
    await serves(service, "1");
    await model("promote", "2", "--name", "credit");
    await serves(service, "2");
    const sizing = chooseSizing(readLimits(), availableParallelism());
    // The processes that have joined, each with its threads.
    const complete = async () => {
      const metrics = await service.metrics();
      return metrics.includes(`\ninference_threads ${sizing.workers * sizing.threads}\n`);
    };
    await until("all processes serve", complete);
    const killed = await service.workers();
    for (const pid of killed) process.kill(pid, "SIGKILL");
    await until("they are gone", async () => {
      const left = await service.workers();
      return !left.some((pid) => killed.includes(pid));
    });
    const seen = new Set<string>();
    await until("as many serve as before", async () => {
      for (const { status, text } of await service.everywhere("/v2/models/credit")) {
        const { versions } = JSON.parse(text) as { versions?: unknown };
        seen.add(`${status} ${JSON.stringify(versions)}`);
      }
      return (await service.workers()).length === killed.length && complete();
    });
    expect([...seen]).toEqual(['200 ["2"]']);
    await model("promote", "1", "--name", "credit");
  });

  test("serves the version in a stage, as older registries have it", async () => {
    await mlflowApi("model-versions/transition-stage", {
      ...{ name: "credit", version: "2", stage: "Production" },
      archive_existing_versions: false,
    });
    const service = await runService({
      ...{ mlflowUrl: mlflow.url, model: "credit", modelStage: "Production" },
      cacheFolder: join(work, "stage"),
    });
    services.push(service);
    await serves(service, "2");
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

const mlflowApi = async (path: string, body?: unknown): Promise<Record<string, unknown>> => {
  const reply = await fetch(`http://${registry.mlflowHost}:5000/api/2.0/mlflow/${path}`, {
    method: body === undefined ? "GET" : "POST",
    headers: { "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await reply.text();
  expect(reply.status, text).toBe(200);
  return JSON.parse(text) as Record<string, unknown>;
};

const point = (name: string, version: string) =>
  mlflowApi("registered-models/alias", { name, alias: "production", version });

async function addVersion(fields: Readonly<Record<string, unknown>>): Promise<string> {
  const made = await mlflowApi("model-versions/create", fields);
  return (made["model_version"] as { version: string }).version;
}

/** Registers once more what `name`'s version 1 is, as another version, and has the alias point at it. */
async function promoteAnother(name: string): Promise<string> {
  const first = await mlflowApi(`model-versions/get?name=${name}&version=1`);
  const { source, run_id, tags } = first["model_version"] as Record<string, unknown>;
  // MLflow wants to be told once more what the source says: models:/m-….
  const model_id = /^models:\/(m-.+)$/.exec(String(source))?.[1];
  const version = await addVersion({ name, source, run_id, model_id, tags });
  await point(name, version);
  return version;
}

/** Puts a published model's files into the bucket by themselves; `change` gives what is put instead. */
async function fillBucket(
  folder: string,
  change = (_: string, content: Buffer): Buffer => content,
): Promise<string> {
  const client = new Client({
    endPoint: registry.s3Host,
    port: 9000,
    useSSL: false,
    accessKey: registry.accessKey,
    secretKey: registry.secretKey,
    region: "us-east-1",
  });
  const models = join(work, "promote/models");
  const [kept = ""] = (await readdir(models)).filter((each) => each.startsWith("v1-"));
  for (const file of await readdir(join(models, kept, "files"))) {
    const content = await readFile(join(models, kept, "files", file));
    await client.putObject("mlflow", `${folder}/${file}`, change(file, content));
  }
  return `s3://mlflow/${folder}`;
}

/** Registers files in the bucket by their address, as somebody does who logged them elsewhere. */
async function registerInBucket(name: string): Promise<void> {
  await mlflowApi("registered-models/create", { name });
  await point(name, await addVersion({ name, source: await fillBucket(name) }));
}

test("keeps the old version when the new one does not fit into memory", async () => {
  const secrets = join(work, "store-keys");
  await mkdir(secrets);
  await writeFile(join(secrets, "s3-access-key"), registry.accessKey);
  await writeFile(join(secrets, "s3-secret-key"), registry.secretKey);
  await chmod(secrets, 0o755);
  await registerInBucket("fits");
  // The same model with 60 MB of documentation, which takes its space when it is read.
  const documentation = Buffer.concat([Buffer.from([0x32]), varint(60e6), Buffer.alloc(60e6, "x")]);
  const source = await fillBucket("large", (file, content) =>
    file === "model.onnx" ? Buffer.concat([content, documentation]) : content,
  );
  const large = await addVersion({ name: "fits", source });
  await buildImage();
  const container = await startContainer({
    cpus: 1,
    memory: "160m",
    environment: {
      ...{ MLFLOW_URL: "http://mlflow:5000", MODEL: "fits", REGISTRY_INTERVAL: "500ms" },
      ...{ S3_URL: "http://s3:9000", SECRETS_FOLDER: "/keys" },
    },
    args: [
      ...["--network", registry.network, "--volume", `${secrets}:/keys:ro`],
      ...["--volume", "/var/cache/inference"],
    ],
  });
  try {
    const load = steadyLoad(container.url, CREDIT, 50);
    const told = async () =>
      (await (await fetch(`${container.url}/model`)).json()) as Record<string, unknown>;
    expect(await told()).toMatchObject({ version: "1" });
    await point("fits", large);
    await until("it is refused", async () => "refused" in (await told()));
    expect(await told()).toMatchObject({
      version: "1",
      refused: {
        version: large,
        reason: expect.stringMatching(/does not fit into memory: .*160 MB/) as string,
      },
    });
    await everyAnswer200(load);
  } finally {
    await container.stop();
    await removeImage();
  }
});

/** As protocol buffers write a length. */
function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) | 128);
  return Buffer.from([...bytes, value]);
}

test("trusts a private authority before MLflow and S3 where its certificate is given, and only there", async () => {
  const here = registry.machine;
  const certificate = await privateCertificate(here);
  const { ca } = certificate;
  const proxies = await Promise.all([
    tlsProxy(here, certificate, registry.mlflowHost, 5000),
    tlsProxy(here, certificate, registry.s3Host, 9000),
  ]);
  const [{ url: mlflowUrl }, { url: s3Url }] = proxies;
  try {
    const { accessKey, secretKey } = registry;
    const settings = { mlflowUrl, model: "direct", s3: { url: s3Url, accessKey, secretKey } };
    const trusting = await runService({ ...settings, ca, cacheFolder: join(work, "tls") });
    const doubting = await runService({ ...settings, cacheFolder: join(work, "no-tls") });
    services.push(trusting, doubting);
    await serves(trusting, "1");
    await until("the certificate is refused", async () => {
      const { status, body } = await doubting.get("/readyz");
      return status === 503 && String(body["detail"]).includes("certificate");
    });
    const connection = join(work, "tls.json");
    await writeFile(connection, JSON.stringify({ mlflowUrl, ca }));
    expect(await modelAt(connection, "list", "--name", "direct")).toMatchObject({
      versions: [{ version: "1" }],
    });
    await writeFile(connection, JSON.stringify({ mlflowUrl }));
    await expect(modelAt(connection, "list", "--name", "direct")).rejects.toThrow(/certificate/i);
  } finally {
    await Promise.all(proxies.map((proxy) => proxy.close()));
  }
});

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

const everyAnswer200 = async (load: ReturnType<typeof steadyLoad>): Promise<number> => {
  const answers = await load.stop();
  expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
  return answers.length;
};

describe.each(FAULTS)("with MLflow and S3 %s", (name, fault) => {
  test("starts from the model it kept, and from nothing as soon as it can", async () => {
    const kept = await start("credit", "kept");
    await serves(kept, "1");
    await kept.stop();
    services = [];
    mlflow.fault = fault;
    const fresh = `fresh-${name.replaceAll(" ", "-")}`;
    const [again, proxied] = await Promise.all([start("credit", "kept"), start("credit", fresh)]);
    await serves(again, "1", 20_000);
    const load = steadyLoad(again.url, CREDIT, 50);
    await until("it is alive", async () => (await proxied.get("/healthz")).status === 200);
    await until("the fault was met", () => Promise.resolve(mlflow.spoilt > 0));
    if (fault.kind !== "slow") {
      const origin = fault.kind === "corrupt" ? "registry" : "cache";
      expect((await again.get("/model")).body).toMatchObject({ origin });
      expect((await proxied.get("/readyz")).status).toBe(503);
    }
    await new Promise((resolve) => setTimeout(resolve, 2000));
    mlflow.fault = { kind: "none" };
    await serves(proxied, "1", 60_000);
    await until(
      "the registry confirms what was kept",
      async () => (await again.get("/model")).body["origin"] === "registry",
      90_000,
    );
    expect(await everyAnswer200(load)).toBeGreaterThanOrEqual(100);
    await Promise.all([again.stop(), proxied.stop()]);
    services = [];

    s3.fault = fault;
    const direct = await start("direct", fresh, true);
    await until("it is alive", async () => (await direct.get("/healthz")).status === 200);
    await until("the fault was met", () => Promise.resolve(s3.spoilt > 0));
    if (fault.kind !== "slow") expect((await direct.get("/readyz")).status).toBe(503);
    s3.fault = { kind: "none" };
    await serves(direct, "1", 60_000);
  });
});

test("loses no request while MLflow and S3 fail in every way, and takes the next version after each", async () => {
  await registerInBucket("shaky");
  await model("publish", join(work, "regression.pkl"), "--name", "proxied");
  const [proxied, direct] = await Promise.all([
    start("proxied", "shaky-1"),
    start("shaky", "shaky-2", true),
  ]);
  const both: [RunningService, FaultProxy, string][] = [
    [proxied, mlflow, "proxied"],
    [direct, s3, "shaky"],
  ];
  let version = "1";
  await Promise.all([serves(proxied, version), serves(direct, version)]);
  const loads = both.map(([{ url }]) => steadyLoad(url, CREDIT, 100));
  for (const [name, fault] of FAULTS) {
    const before = version;
    for (const [, proxy] of both) proxy.fault = fault;
    for (const [, , registered] of both) version = await promoteAnother(registered);
    for (const [service, proxy] of both) {
      await until(`${name} was met`, () => Promise.resolve(proxy.spoilt > 0), 90_000);
      if (fault.kind === "slow") continue;
      const { body } = await service.get("/model");
      expect(body, name).toMatchObject({ version: before });
      expect(body, name).not.toHaveProperty("refused");
    }
    for (const [, proxy] of both) proxy.fault = { kind: "none" };
    await Promise.all(both.map(([service]) => serves(service, version, 120_000)));
  }
  for (const load of loads) expect(await everyAnswer200(load)).toBeGreaterThan(1000);
});
