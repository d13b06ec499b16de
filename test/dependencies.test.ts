// MLflow and an S3 store that come with the stack, and ones that were there before it.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { bringUp, type Clone, docker, dockerLines, freshClone, leftovers } from "./clone.ts";
import { freePort } from "./port.ts";
import { realRegistry, type RealRegistry } from "./support/registry.ts";
import { privateCertificate, tlsProxy } from "./support/tls-proxy.ts";
import { until } from "./support/service.ts";
import { predict } from "./traffic.ts";

let clone: Clone;
let apiUrl: string;

const set = async (values: Readonly<Record<string, string>>, ...flags: string[]) => {
  for (const [key, value] of Object.entries(values)) {
    const { code, output } = await clone.pulumi(
      ...["config", "set", key, "-s", "dev", ...flags, "--", value],
    );
    expect(code, output).toBe(0);
  }
};
const unset = async (...keys: string[]) => {
  for (const key of keys) await clone.pulumi("config", "rm", key, "-s", "dev");
};
const up = async () => {
  const { code, output } = await clone.pulumi("up", "--yes", "--skip-preview", "-s", "dev");
  expect(code, output).toBe(0);
};
const upFromNothing = async () => {
  const { code, output } = await bringUp(clone, "-s", "dev");
  expect(code, output).toBe(0);
};
const servedModel = async () =>
  z
    .looseObject({ name: z.string(), version: z.string().nullish(), digest: z.string() })
    .parse(await (await fetch(`${apiUrl}/model`)).json());
const setosa = async () => {
  const reply = await predict(apiUrl);
  expect(reply.status).toBe(200);
};
const volumes = () =>
  dockerLines("volume", "ls", "-q", "--filter", `label=inference-stack.clone=${clone.id}`).filter(
    (name) => name.endsWith("-data"),
  );

beforeAll(async () => {
  clone = freshClone("dependencies");
  const settings = join(clone.dir, "Pulumi.dev.yaml");
  const apiPort = await freePort();
  apiUrl = `http://127.0.0.1:${apiPort}`;
  writeFileSync(
    settings,
    `${readFileSync(settings, "utf8")}  inference-stack:apiPort: "${apiPort}"\n` +
      `  inference-stack:loadtestPort: "${await freePort()}"\n`,
  );
  execFileSync("node", ["toolchain/setup.mjs", "--yes"], { cwd: clone.dir, stdio: "ignore" });
});

afterAll(() => {
  clone.remove();
});

describe("dependencies: deploy", () => {
  test("from nothing, predictions come from the registry's model", async () => {
    await set({ dependencies: "deploy" });
    await upFromNothing();
    await setosa();
    expect(await servedModel()).toMatchObject({ name: "iris", version: "1" });
  });

  test("publishes nothing outside, and a preview after it changes nothing", async () => {
    for (const part of ["mlflow", "s3"]) {
      const [id = ""] = clone.containers(part);
      expect(docker("port", id)).toBe("");
      expect(docker("inspect", "-f", "{{json .Config.Env}}", id)).not.toMatch(/KEY|PASSWORD/);
    }
    const preview = await clone.pulumi("preview", "--expect-no-changes", "-s", "dev");
    expect(preview.code, preview.output).toBe(0);
  });

  test("npm run model reaches the registry by the stack's name", async () => {
    const listed = await clone.run("npm", ["run", "-s", "model", "--", "list", "--json"]);
    expect(listed.code, listed.output).toBe(0);
    expect(listed.stdout).toContain('"production"');
  });

  test("back to none keeps the models, and deploy again serves them without another", async () => {
    await set({ dependencies: "none" });
    await up();
    await setosa();
    expect(clone.containers("mlflow")).toEqual([]);
    expect(volumes()).toHaveLength(2);
    await set({ dependencies: "deploy" });
    await up();
    expect(await servedModel()).toMatchObject({ name: "iris", version: "1" });
  });

  test("the registry in PostgreSQL survives a stack without it", async () => {
    await set({ mlflowDatabase: "postgres" });
    await up();
    expect(clone.containers("postgres")).toHaveLength(1);
    const again = ["run", "-s", "model", "--", "publish", "service/models/iris"];
    const published = await clone.run("npm", again);
    expect(published.code, published.output).toBe(0);
    await until("version 2 serves", async () => (await servedModel()).version === "2");
    await set({ dependencies: "none" });
    await unset("mlflowDatabase");
    await up();
    expect(clone.containers("postgres")).toEqual([]);
    await set({ dependencies: "deploy", mlflowDatabase: "postgres" });
    await up();
    expect(await servedModel()).toMatchObject({ name: "iris", version: "2", origin: "registry" });
    await unset("mlflowDatabase");
    await set({ dependencies: "none", keepData: "false" });
  });
});

describe("dependencies: attach", () => {
  let registry: RealRegistry;

  beforeAll(async () => {
    registry = await realRegistry();
  });

  afterAll(async () => {
    await registry.remove();
  });

  const inspect = () =>
    JSON.parse(docker("network", "inspect", registry.network)) as readonly Record<
      string,
      unknown
    >[];

  test("serves a foreign MLflow's model, and leaves its network as it was", async () => {
    const connection = {
      mlflowUrl: "http://mlflow:5000",
      s3Url: "http://s3:9000",
      network: registry.network,
      s3AccessKey: registry.accessKey,
      s3SecretKey: registry.secretKey,
    };
    const file = join(clone.dir, ".state", "connection.json");
    writeFileSync(file, JSON.stringify(connection), { mode: 0o600 });
    const published = await clone.run("npm", [
      ...["run", "-s", "model", "--", "publish", "service/models/iris", "--name", "iris"],
      ...["--connection", file],
    ]);
    expect(published.code, published.output).toBe(0);
    const before = inspect();

    await set({
      dependencies: "attach",
      dependencyNetwork: registry.network,
      mlflowUrl: connection.mlflowUrl,
      s3Url: connection.s3Url,
    });
    await set({ s3AccessKey: registry.accessKey, s3SecretKey: registry.secretKey }, "--secret");
    await up();
    await setosa();
    expect(await servedModel()).toMatchObject({ name: "iris", version: "1" });

    const [id = ""] = clone.containers("service");
    const during = inspect()[0]?.["Containers"] as Record<string, unknown>;
    expect(Object.keys(during).sort()).toEqual(
      [id, ...Object.keys(before[0]?.["Containers"] as object)].sort(),
    );
    const aliases = JSON.parse(
      docker(
        ...["inspect", "-f"],
        `{{json (index .NetworkSettings.Networks "${registry.network}").Aliases}}`,
        id,
      ),
    ) as string[] | null;
    // The engine itself adds the id.
    expect((aliases ?? []).filter((alias) => !id.startsWith(alias))).toEqual([]);

    const { code, output } = await clone.pulumi("destroy", "--yes", "--skip-preview", "-s", "dev");
    expect(code, output).toBe(0);
    expect(inspect()).toEqual(before);
  });

  test("a network or a host that is not there is named in a sentence, before anything changes", async () => {
    const refused = async (sentence: string) => {
      const before = [leftovers(clone.id), inspect()];
      const { code, output } = await clone.pulumi("up", "--yes", "--skip-preview", "-s", "dev");
      expect(code).not.toBe(0);
      expect(output).toContain(sentence);
      expect(output).not.toMatch(/^ +at /m);
      expect([leftovers(clone.id), inspect()]).toEqual(before);
    };
    await set({ mlflowUrl: "http://mlfow:5000" });
    await refused(
      `mlflowUrl is http://mlfow:5000, but on the network ${registry.network} nothing has the name ` +
        `mlfow (on it: ${registry.network}-mlflow, ${registry.network}-s3).`,
    );
    await set({ dependencyNetwork: "no-such-network" });
    await refused("dependencyNetwork is no-such-network, but the engine has no such network.");
    await unset("dependencyNetwork", "mlflowUrl", "s3Url", "s3AccessKey", "s3SecretKey");
  });

  test("serves the model of an MLflow at a plain address, behind a private authority", async () => {
    const certificate = await privateCertificate(registry.machine);
    const caFile = join(clone.dir, ".state", "ca.pem");
    writeFileSync(caFile, certificate.ca);
    const proxy = await tlsProxy(registry.machine, certificate, registry.mlflowHost, 5000);
    try {
      const before = inspect();
      await set({ dependencies: "attach", mlflowUrl: proxy.url, caFile });
      await upFromNothing();
      await setosa();
      expect(await servedModel()).toMatchObject({ name: "iris", version: "1", origin: "registry" });
      expect(inspect()).toEqual(before);
      const listed = await clone.run("npm", ["run", "-s", "model", "--", "list"]);
      expect(listed.code, listed.output).toBe(0);
    } finally {
      await proxy.close();
    }
  });

  test("npm run down leaves nothing of the clone, volumes included", async () => {
    const down = await clone.run("npm", ["run", "-s", "down"]);
    expect(down.code, down.output).toBe(0);
    expect(leftovers(clone.id)).toEqual([]);
  });
});
