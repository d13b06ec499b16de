import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { beforeEach, describe, expect, test } from "vitest";
import type { Builds } from "./builds.ts";
import { parseSettings } from "../service/settings.ts";
import { parseConfig } from "./config.ts";
import { gatewayPort } from "./gateway-config.ts";

interface Declared {
  readonly type: string;
  readonly name: string;
  readonly inputs: Record<string, unknown>;
}

let declared: Declared[] = [];

// The engine's answers, as far as the program looks at them.
await pulumi.runtime.setMocks(
  {
    newResource: ({ type, name, inputs, custom }) => {
      if (custom !== false)
        declared.push({ type, name, inputs: inputs as Record<string, unknown> });
      return {
        id: `${name}-id`,
        state: {
          ...(inputs as object),
          imageId: `sha256:${name}`,
          sha256Digest: `sha256:pushed-${name}`,
          stdout: `${name}-stdout`,
          stderr: "",
        },
      };
    },
    call: ({ inputs }) => inputs as Record<string, unknown>,
  },
  "inference-stack",
  "dev",
);
const { declareStack } = await import("./stack.ts");
const { patience } = await import("./loadtest.ts");

const build = (part: string) => ({
  context: {
    dir: `/contexts/${part}`,
    base: "node" as const,
    hash: `${part}-hash`.padEnd(64, "0"),
  },
  base: { tag: "base:1", id: "sha256:base" },
});
const builds: Builds = {
  service: build("service"),
  gateway: build("gateway"),
  loadtest: build("loadtest"),
};

async function declare(
  values: Record<string, string> = {},
  secretKeys: string[] = [],
  watch?: pulumi.ResourceTransformation,
  more: Partial<Builds> = {},
) {
  const config = parseConfig({ stack: "dev", values, secretKeys: new Set(secretKeys) });
  if (watch) {
    // There is a stack to watch the resources of once a program was run in it.
    await pulumi.runtime.runInPulumiStack(() => Promise.resolve({}));
    pulumi.runtime.registerStackTransformation(watch);
  }
  const outputs = declareStack("dev", { origin: "0a1b2c3d", engine: "ENGINE" }, config, {
    ...builds,
    ...(config.image ? { service: undefined } : {}),
    ...(config.dependencies === "deploy"
      ? { dependencies: { mlflow: "sha256:mlflow", s3: "sha256:s3", postgres: "sha256:pg" } }
      : {}),
    ...more,
  });
  await new Promise<void>((resolve) => {
    pulumi.all(Object.values(outputs).map((value) => value as unknown)).apply(() => {
      resolve();
    });
  });
  // Outputs are known before the last resource is registered.
  await new Promise((resolve) => setTimeout(resolve, 50));
  return outputs;
}

const of = (type: string) => declared.filter((resource) => resource.type === type);
const containers = () => of("docker:index/container:Container");
const part = (name: string) =>
  containers().filter(({ inputs }) =>
    (inputs["labels"] as { label: string; value: string }[]).some(
      ({ label, value }) => label === "inference-stack.part" && value === name,
    ),
  );
/** Containers whose processes are limited together, and to how many. */
const processes = () =>
  of("command:local:Command").flatMap(({ inputs }) => {
    const [, most] = /update --pids-limit (\d+) \$CONTAINERS/.exec(String(inputs["create"])) ?? [];
    if (most === undefined) return [];
    const { CONTAINERS } = inputs["environment"] as { CONTAINERS: string };
    expect(inputs["triggers"]).toEqual(CONTAINERS.split(" "));
    return [{ containers: CONTAINERS.split(" "), most: Number(most) }];
  });
/** How many each container may have. */
const limits = () =>
  Object.fromEntries(
    processes().flatMap(({ containers, most }) => containers.map((id) => [id, most] as const)),
  );
const value = <T>(output: pulumi.Input<T>) =>
  new Promise<T>((resolve) => {
    pulumi.output(output).apply((known) => {
      resolve(known as T);
    });
  });

beforeEach(() => {
  declared = [];
});

describe("the declared dev stack", () => {
  test("is one replica, a gateway, a load-test master and a worker on one network", async () => {
    await declare();
    expect(part("service")).toHaveLength(1);
    expect(part("gateway")).toHaveLength(1);
    expect(part("loadtest")).toHaveLength(1);
    expect(part("worker")).toHaveLength(1);
    expect(of("docker:index/network:Network")).toHaveLength(1);
  });

  test("limits a replica as configured, swap included in memory", async () => {
    await declare({ cpus: "0.25", memory: "128MB", replicas: "3" });
    expect(part("service")).toHaveLength(3);
    for (const { inputs } of part("service")) {
      expect(inputs).toMatchObject({ cpus: "0.25", memory: 128, memorySwap: 128 });
    }
  });

  test("writes whole cores as the engine reads them back, so that a refresh finds no drift", async () => {
    await declare({ cpus: "2" });
    expect(part("service")[0]?.inputs).toMatchObject({ cpus: "2.0" });
  });

  test("hardens every container", async () => {
    await declare();
    for (const { inputs } of containers()) {
      expect(inputs).toMatchObject({
        user: "10001:10001",
        readOnly: true,
        capabilities: { drops: ["ALL"] },
        securityOpts: ["no-new-privileges"],
        restart: "unless-stopped",
        logOpts: { "max-size": "10m", "max-file": "3" },
      });
      expect(inputs["memorySwap"]).toBe(inputs["memory"]);
      expect(inputs["healthcheck"]).toBeDefined();
      expect(inputs["privileged"]).toBeUndefined();
      expect(inputs["destroyGraceSeconds"]).toBeGreaterThan(0);
      expect(JSON.stringify(inputs["mounts"])).not.toContain("docker.sock");
      expect(inputs["envs"]).toBeUndefined();
    }
  });

  test("finds a gateway healthy through which a replica is reached", async () => {
    await declare();
    const { tests } = part("gateway")[0]?.inputs["healthcheck"] as { tests: string[] };
    expect(tests.at(-1)).toContain(`/dev/tcp/127.0.0.1/${gatewayPort} && printf 'GET /readyz `);
  });

  test.each([
    ["as it comes", {}, {}],
    ["with several of each", { replicas: "3", loadtestWorkers: "2" }, {}],
    ["with what it depends on", { dependencies: "deploy", mlflowDatabase: "postgres" }, {}],
    [
      "with what converts",
      { dependencies: "attach", mlflowUrl: "http://mlflow:5000", dependencyNetwork: "theirs" },
      { unpickler: "sha256:python" },
    ],
  ])("limits the processes of every container, %s", async (_, values, more) => {
    await declare(values, [], undefined, more);
    expect(containers().length).toBeGreaterThan(4);
    expect(Object.keys(limits()).sort()).toEqual(
      containers()
        .map(({ name }) => `${name}-id`)
        .sort(),
    );
    for (const most of Object.values(limits())) expect(most).toBeGreaterThanOrEqual(128);
  });

  test("limits how many processes a replica has by its cores, all replicas in one go", async () => {
    await declare({ cpus: "0.25", replicas: "2" });
    const [few] = processes().filter(({ containers: [first] }) => first === "inference-0-id");
    expect(few).toMatchObject({ containers: ["inference-0-id", "inference-1-id"], most: 192 });
    declared = [];
    await declare({ cpus: "16" });
    expect(processes()).toContainEqual({ containers: ["inference-0-id"], most: 1152 });
  });

  test("lets everything outlast the deadline", async () => {
    await declare({ deadline: "60s" });
    const grace = (name: string) => part(name)[0]?.inputs["destroyGraceSeconds"];
    // 3 s of being not ready, the deadline, the end of what began in time; then a moment to end.
    expect([grace("service"), grace("gateway")]).toEqual([70, 70]);
  });

  test("replaces nothing that keeps a load test's runs for a deadline that needs it not", () => {
    expect(patience(10_000)).toEqual({});
    expect(patience(60_000)).toEqual({ timeout: 67 });
  });

  test.each([
    ["1", "30s", 60],
    ["0.05", "40s", 70],
    ["0.01", "3m20s", 230],
  ])("gives a replica of %s CPU the time that its start takes", async (cpus, period, wait) => {
    await declare({ cpus });
    const [replica] = part("service");
    expect(replica?.inputs["healthcheck"]).toMatchObject({ startPeriod: period });
    expect(replica?.inputs["waitTimeout"]).toBe(wait);
  });

  test("labels everything with stack, part and clone", async () => {
    await declare();
    for (const { inputs, type } of declared) {
      if (!/container|network|volume/i.test(type)) continue;
      const names = (inputs["labels"] as { label: string }[]).map(({ label }) => label);
      expect(names).toEqual(
        expect.arrayContaining([
          "inference-stack.stack",
          "inference-stack.part",
          "inference-stack.clone",
        ]),
      );
    }
  });

  test("makes containers anew where their network is another, though of the same name", async () => {
    await declare();
    const own = { label: "inference-stack.networks", value: "network-id" };
    expect(containers().length).toBeGreaterThan(3);
    for (const { inputs } of containers())
      expect(inputs["labels"]).toEqual(expect.arrayContaining([own]));
  });

  test("publishes the gateway and the load test on loopback, and nothing else", async () => {
    await declare();
    const ports = containers().flatMap(({ inputs }) => (inputs["ports"] ?? []) as object[]);
    expect(ports).toHaveLength(2);
    expect(ports).toEqual(
      expect.arrayContaining([
        { internal: 8080, external: 8000, ip: "127.0.0.1" },
        { internal: 8089, external: 8089, ip: "127.0.0.1" },
      ]),
    );
  });

  test("has a listener hold the port and the name, whose image outlasts the gateway's", async () => {
    await declare();
    const [listener] = part("listener");
    expect(listener?.inputs).toMatchObject({
      image: "sha256:base",
      ports: [{ internal: 8080, external: 8000, ip: "127.0.0.1" }],
      networksAdvanced: [{ aliases: ["gateway"] }],
    });
    const [gateway] = part("gateway");
    expect(gateway?.inputs["ports"]).toBeUndefined();
    expect((gateway?.inputs["networksAdvanced"] as { aliases?: [] }[])[0]?.aliases).toBeUndefined();
  });

  test("tells gateway and replicas alike what is spoken between them, and what is let through", async () => {
    await declare({ http2: "false", imagePaths: "/invocations, /v1/*" });
    expect(parseSettings(settings())).toMatchObject({ http2: false });
    const [reload] = of("command:local:Command").filter(({ name }) => name === "gateway-config");
    expect(reload?.inputs["stdin"]).not.toContain("proto h2");
    expect(reload?.inputs["stdin"]).toContain("acl served path /invocations\n");
    expect(reload?.inputs["stdin"]).toContain("acl served path_beg /v1/\n");
  });

  test("deploys local images by id", async () => {
    const { image } = await declare();
    expect(await value(image)).toBe("sha256:service");
    expect(part("service")[0]?.inputs["image"]).toBe("sha256:service");
    expect(of("docker:index/registryImage:RegistryImage")).toHaveLength(0);
  });

  test("pushes images where told, and deploys them by digest", async () => {
    const { image } = await declare(
      {
        imageRepository: "registry.example:5000/team/iris",
        imageTag: "v1",
        registryUser: "me",
        registryPassword: "hunter2",
      },
      ["registryPassword"],
    );
    expect(await value(image)).toBe("registry.example:5000/team/iris@sha256:pushed-service");
    expect(
      of("docker:index/registryImage:RegistryImage").map(({ inputs }) => inputs["name"]),
    ).toEqual(
      expect.arrayContaining([
        "registry.example:5000/team/iris:v1",
        "registry.example:5000/team/iris:v1-gateway",
        "registry.example:5000/team/iris:v1-loadtest",
      ]),
    );
    const [pushed] = of("docker:index/registryImage:RegistryImage");
    // Wrapped: it holds a password, so all of it is secret.
    expect(pushed?.inputs["authConfig"]).toMatchObject({
      value: { address: "https://registry.example:5000", username: "me" },
    });
  });

  test("deploys a published image without building one", async () => {
    await declare({ image: "user/iris@sha256:abc" });
    expect(part("service")[0]?.inputs["image"]).toBe("user/iris@sha256:abc");
    expect(of("docker:index/remoteImage:RemoteImage").map(({ name }) => name)).not.toContain(
      "service",
    );
  });

  test("joins an existing network, and takes no common name on it", async () => {
    await declare({ network: "testnet" });
    expect(of("docker:index/network:Network")).toHaveLength(0);
    for (const { inputs } of containers()) {
      const [network] = inputs["networksAdvanced"] as { name: string; aliases?: string[] }[];
      expect(network?.name).toBe("testnet");
      for (const alias of network?.aliases ?? [])
        expect(alias).toMatch(/^inference-stack-identity-stdout-dev-/);
    }
  });

  test.each([
    ["on loopback", {}, "containers"],
    ["on loopback, in somebody's network", { network: "testnet" }, "containers"],
    ["beyond loopback", { bind: "0.0.0.0" }, "everybody"],
  ])("the load test %s asks for its token", async (_, config, tokenFor) => {
    await declare(config);
    const { token, "settings.json": settings = "{}" } = files("loadtest");
    expect(token).toBe("loadtest-token-stdout");
    expect(JSON.parse(settings)).toMatchObject({ tokenFile: "/run/loadtest/token", tokenFor });
    // Those who send the load have no use for it.
    expect(files("loadtest-worker")).not.toHaveProperty("token");
  });

  test("tells a replica which image it runs in, and the load test nothing of it", async () => {
    await declare();
    const settings = files("inference")["settings.json"] ?? "{}";
    expect(JSON.parse(settings)).toMatchObject({ image: "sha256:service" });
    expect(files("loadtest")["settings.json"]).not.toContain("sha256:service");
  });

  test("tells a replica what its stack is told, and the gateway how large a request may be", async () => {
    await declare({
      ...{ allowContractChange: "true", registryInterval: "2s", batching: "false" },
      ...{ maxBody: "4MB", maxRows: "50000", logLevel: "warn" },
    });
    expect(parseSettings(settings())).toMatchObject({
      ...{ allowContractChange: true, registryInterval: 2000, batching: false },
      ...{ maxBody: 4 * 1024 ** 2, maxRows: 50_000, maxQueuedRows: 100_000, logLevel: "warn" },
    });
    const [reload] = of("command:local:Command").filter(({ name }) => name === "gateway-config");
    expect(reload?.inputs["stdin"]).toContain("req.body_size gt 4194304");
  });

  test("does not touch the load test or the gateway when the service's limits change", async () => {
    await declare();
    const before = [...part("gateway"), ...part("loadtest"), ...part("worker")];
    declared = [];
    await declare({ cpus: "0.25", memory: "128MB", replicas: "4" });
    expect([...part("gateway"), ...part("loadtest"), ...part("worker")]).toEqual(before);
  });
});

const files = (name: string) => {
  const write = of("command:local:Command").find((each) => each.name === `${name}-files-write`);
  const stdin = write?.inputs["stdin"] as string | { value: string } | undefined;
  const text = typeof stdin === "object" ? stdin.value : (stdin ?? "");
  return Object.fromEntries(
    text
      .split("\n")
      .filter(Boolean)
      .map((line) => line.split(" "))
      .map(([name, data]) => [name, Buffer.from(data ?? "", "base64").toString()]),
  ) as Record<string, string>;
};
const settings = () => JSON.parse(files("inference")["settings.json"] ?? "") as unknown;
const networks = (name: string) =>
  part(name).map(({ inputs }) => inputs["networksAdvanced"] as { name: string; aliases?: [] }[]);

describe("dependencies that come with the stack", () => {
  test("are MLflow and a store with their own network, published for this machine alone", async () => {
    const outputs = await declare({ dependencies: "deploy" });
    expect([...part("mlflow"), ...part("s3")].map(({ inputs }) => inputs["image"])).toEqual(
      expect.arrayContaining(["sha256:mlflow", "sha256:s3"]),
    );
    for (const { inputs } of [...part("mlflow"), ...part("s3")]) {
      expect(inputs["envs"]).toBeUndefined();
      expect(inputs).toMatchObject({ user: "10001:10001", readOnly: true });
    }
    expect(of("docker:index/network:Network")).toHaveLength(2);
    expect(part("s3")[0]?.inputs["ports"]).toBeUndefined();
    const published = () => part("mlflow")[0]?.inputs["ports"];
    expect(of("command:local:Command").map(({ name }) => name)).toContain("mlflow-port");
    expect(published()).toMatchObject([{ internal: 5000, ip: "127.0.0.1" }]);
    declared = [];
    const chosen = await declare({ dependencies: "deploy", mlflowPort: "5055" });
    expect(published()).toEqual([{ internal: 5000, external: 5055, ip: "127.0.0.1" }]);
    expect(await value(chosen.mlflowUrl)).toBe("http://127.0.0.1:5055");
    // It asks nobody who they are.
    declared = [];
    const beyond = await declare({ dependencies: "deploy", bind: "0.0.0.0" });
    expect(published()).toBeUndefined();
    expect(await value(beyond.mlflowUrl)).toBe("http://mlflow:5000");
    expect(outputs.s3Url).toBe("http://s3:9000");
    expect(await pulumi.isSecret(pulumi.output(outputs.registry))).toBe(true);
  });

  test("keep their data, whatever the stack comes to be called", async () => {
    const kept: string[] = [];
    await declare(
      { dependencies: "deploy", mlflowDatabase: "postgres" },
      [],
      ({ type, name, opts }) => {
        const { ignoreChanges = [], retainOnDelete } = opts as pulumi.CustomResourceOptions;
        const safe =
          retainOnDelete && ["name", "labels"].every((key) => ignoreChanges.includes(key));
        if (type === "docker:index/volume:Volume" && safe) kept.push(name);
        return undefined;
      },
    );
    expect(kept.sort()).toEqual(["postgres-data", "s3-data"]);
  });

  test("are joined by every replica without a name, and hold the model it serves", async () => {
    await declare({ dependencies: "deploy", replicas: "2", model: "credit", modelAlias: "blue" });
    expect(networks("service")).toHaveLength(2);
    for (const [traffic, own] of networks("service")) {
      expect(traffic?.aliases).toEqual(["inference"]);
      expect(own?.name).toMatch(/-dependencies$/);
      expect(own?.aliases).toBeUndefined();
    }
    expect(settings()).toMatchObject({
      mlflowUrl: "http://mlflow:5000",
      model: "credit",
      modelAlias: "blue",
    });
    expect(Object.keys(files("inference"))).toEqual(["settings.json"]);
  });

  test("keep their records in PostgreSQL where told, with a password that nobody reads", async () => {
    await declare({ dependencies: "deploy", mlflowDatabase: "postgres" });
    const [postgres] = part("postgres");
    expect(postgres?.inputs).toMatchObject({ image: "sha256:pg", user: "10001:10001" });
    expect(postgres?.inputs["ports"]).toBeUndefined();
    expect(files("mlflow")).toMatchObject({
      pgpass: "postgres:5432:mlflow:mlflow:postgres-password-stdout\n",
    });
    expect(JSON.stringify(containers())).not.toContain("postgres-password-stdout");
    expect(part("mlflow")[0]?.inputs["command"]).toContain(
      "postgresql+psycopg2://mlflow@postgres:5432/mlflow?passfile=/run/inference/pgpass",
    );
  });

  test("leave the store out where one is named", async () => {
    await declare(
      {
        dependencies: "deploy",
        s3Url: "http://store.example:9000",
        s3AccessKey: "key",
        s3SecretKey: "hidden-key",
      },
      ["s3AccessKey", "s3SecretKey"],
    );
    expect(part("s3")).toHaveLength(0);
    expect(files("mlflow")).toMatchObject({ "s3-secret-key": "hidden-key" });
    expect(part("mlflow")[0]?.inputs["command"]).toContain("http://store.example:9000");
  });
});

describe("dependencies that run elsewhere", () => {
  const attached = {
    dependencies: "attach",
    dependencyNetwork: "proyecto2_default",
    mlflowUrl: "http://mlflow:5000",
    mlflowToken: "hidden-token",
  };

  test("are joined without a name, and nothing of theirs is declared", async () => {
    await declare(attached, ["mlflowToken"]);
    expect(networks("service")[0]?.[1]).toEqual({ name: "proyecto2_default" });
    expect(part("mlflow")).toHaveLength(0);
    expect(of("docker:index/network:Network")).toHaveLength(1);
    expect(files("inference")).toMatchObject({ "mlflow-token": "hidden-token" });
    expect(JSON.stringify(part("service"))).not.toContain("hidden-token");
  });

  test("hand a private authority's certificate to every replica and to those who publish", async () => {
    const caFile = join(mkdtempSync(join(tmpdir(), "ca-")), "ca.pem");
    writeFileSync(caFile, "-----BEGIN CERTIFICATE-----");
    const { registry } = await declare({ ...attached, mlflowUrl: "https://mlflow:5000", caFile }, [
      "mlflowToken",
    ]);
    expect(files("inference")).toMatchObject({ "ca.pem": "-----BEGIN CERTIFICATE-----" });
    expect(await value(pulumi.output(registry))).toMatchObject({
      ca: "-----BEGIN CERTIFICATE-----",
    });
    rmSync(caFile);
    await expect(declare({ ...attached, caFile }, ["mlflowToken"])).rejects.toThrow(
      `caFile is ${caFile}, which cannot be read`,
    );
  });

  test("on the network of the traffic are joined once", async () => {
    await declare({ ...attached, network: "proyecto2_default" }, ["mlflowToken"]);
    expect(networks("service")[0]).toHaveLength(1);
  });
});

describe("a registry that has pickles", () => {
  const attached = {
    dependencies: "attach",
    dependencyNetwork: "proyecto2_default",
    mlflowUrl: "http://mlflow:5000",
    mlflowToken: "hidden-token",
    model: "credit",
    modelStage: "Production",
  };
  const converting = () =>
    declare(attached, ["mlflowToken"], undefined, { unpickler: "sha256:python" });

  test("has a converter before it, which replicas take for their registry", async () => {
    const { registry, mlflowUrl } = await converting();
    expect(settings()).toMatchObject({
      mlflowUrl: "http://converter:5000",
      model: "credit",
      modelStage: "Production",
      registryInterval: "3000ms",
    });
    expect(JSON.parse(files("converter")["settings.json"] ?? "")).toMatchObject({
      mlflowUrl: "http://mlflow:5000",
      registryInterval: "10000ms",
    });
    expect(networks("service")[0]).toHaveLength(1);
    expect(Object.keys(files("inference"))).toEqual(["settings.json"]);
    expect(networks("converter")[0]).toEqual([
      { name: expect.stringMatching(/-traffic$/) as string, aliases: ["converter"] },
      { name: "proyecto2_default" },
    ]);
    expect(files("converter")).toMatchObject({ "mlflow-token": "hidden-token" });
    // Who publishes still does to the registry itself.
    expect(mlflowUrl).toBe("http://mlflow:5000");
    expect(await value(pulumi.output(registry))).toMatchObject({ mlflowUrl });
  });

  test("is unpickled without network, credentials or anything that lasts", async () => {
    await converting();
    const [unpickler] = part("unpickler");
    expect(unpickler?.inputs).toMatchObject({
      image: "sha256:python",
      networkMode: "none",
      user: "10001:10001",
      readOnly: true,
      capabilities: { drops: ["ALL"] },
      memory: 2048,
      memorySwap: 2048,
      tmpfs: { "/tmp": expect.stringContaining("noexec") as string },
    });
    expect(unpickler?.inputs["networksAdvanced"]).toBeUndefined();
    expect(JSON.stringify(files("unpickler"))).not.toContain("hidden-token");
    const mounts = (name: string) =>
      (part(name)[0]?.inputs["mounts"] as { target: string }[]).map(({ target }) => target);
    expect(mounts("unpickler")).toEqual(["/data", "/run/unpickler"]);
    expect(mounts("converter")).toEqual(["/var/cache/inference", "/data", "/run/inference"]);
    const exchange = of("docker:index/volume:Volume").find(
      ({ name }) => name === "converter-exchange",
    );
    expect(exchange?.inputs["driverOpts"]).toMatchObject({
      type: "tmpfs",
      o: expect.stringMatching(/size=.*noexec/) as string,
    });
  });

  test("is unpickled within all its limits before anything is handed to it", async () => {
    await converting();
    const order = declared.map(({ name }) => name);
    expect(order).toContain("unpickler-processes");
    expect(order.indexOf("converter-0")).toBeGreaterThan(order.indexOf("unpickler-processes"));
  });

  test("has none where nothing is to be converted", async () => {
    await declare(attached, ["mlflowToken"]);
    expect([...part("converter"), ...part("unpickler")]).toEqual([]);
  });
});

test("without dependencies the service knows of none, and is told to serve the demonstration", async () => {
  await declare();
  const told = parseSettings(settings());
  expect(told).toMatchObject({ host: "0.0.0.0", deadline: 10_000, image: "sha256:service" });
  expect(told).toMatchObject({ mlflowUrl: "", s3Url: "", maxBody: 1024 ** 2, maxRows: 10_000 });
  expect(told.modelFile).toBe("embedded");
  expect(Object.keys(files("inference"))).toEqual(["settings.json"]);
  expect(networks("service")[0]).toHaveLength(1);
  expect(part("service")[0]?.inputs).toMatchObject({
    waitTimeout: 60,
    healthcheck: { startPeriod: "30s" },
  });
  expect(part("mlflow")).toHaveLength(0);
});
