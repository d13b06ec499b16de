// MLflow and an S3 store that come with the stack, and ones that were there before it.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { baseImages } from "../toolchain/versions.mjs";
import {
  bringUp,
  type Clone,
  docker,
  dockerLines,
  freshClone,
  leftovers,
  onFreePorts,
} from "./clone.ts";
import { realRegistry, type RealRegistry } from "./support/registry.ts";
import { predicted, training } from "./support/somebodys-models.ts";
import { privateCertificate, tlsProxy } from "./support/tls-proxy.ts";
import { until } from "./support/service.ts";
import { differences } from "./support/truth.ts";
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
const model = async (...args: string[]) => {
  const { code, stdout, output } = await clone.run("npm", [
    "run",
    "-s",
    "model",
    "--",
    ...args,
    "--json",
  ]);
  expect(stdout, output).toMatch(/^\{/);
  return { code, result: JSON.parse(stdout) as unknown };
};
const mlflowUrl = async () => {
  const { stdout } = await clone.pulumi("stack", "output", "mlflowUrl", "-s", "dev");
  return stdout.trim();
};
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
  apiUrl = await onFreePorts(clone);
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

  test("publishes MLflow on loopback, the store nowhere, and a preview after it changes nothing", async () => {
    const port = (part: string) => docker("port", clone.containers(part)[0] ?? "");
    expect(port("s3")).toBe("");
    expect(port("mlflow")).toBe(`5000/tcp -> ${new URL(await mlflowUrl()).host}`);
    expect(port("mlflow")).toContain(" 127.0.0.1:");
    for (const part of ["mlflow", "s3"]) {
      const [id = ""] = clone.containers(part);
      expect(docker("inspect", "-f", "{{json .Config.Env}}", id)).not.toMatch(/KEY|PASSWORD/);
    }
    const preview = await clone.pulumi("preview", "--expect-no-changes", "-s", "dev");
    expect(preview.code, preview.output).toBe(0);
  });

  test("this machine's own clients use MLflow, for artifacts beyond its memory's share too", async () => {
    const url = await mlflowUrl();
    const [id = ""] = clone.containers("mlflow");
    const inside = docker(
      ...["inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", id],
    );
    for (const base of [url, `http://localhost:${new URL(url).port}`, `http://${inside}:5000`]) {
      const found = `${base}/api/2.0/mlflow/registered-models/get?name=iris`;
      expect((await fetch(found)).status, base).toBe(200);
    }
    const foreign = await clone.run("curl", [
      ...["-sH", "Host: evil.example", `${url}/api/2.0/mlflow/registered-models/get?name=iris`],
    ]);
    expect(foreign.output).toMatch(/Invalid Host header/i);
    const large = Buffer.alloc(100 * 1024 ** 2, "0123456789");
    const artifact = `${url}/api/2.0/mlflow-artifacts/artifacts/mine/large.bin`;
    const sent = await fetch(artifact, { method: "PUT", body: large });
    expect(sent.status, await sent.text()).toBe(200);
    const read = Buffer.from(await (await fetch(artifact)).arrayBuffer());
    expect(read.equals(large)).toBe(true);
  });

  test("npm run model reaches the registry by the stack's name", async () => {
    expect(await model("list")).toMatchObject({
      code: 0,
      result: { versions: [{ aliases: ["production"] }] },
    });
  });

  test("check tells beforehand what a model takes, and registers nothing", async () => {
    const checked = await model("check", "test/models/mlp");
    expect(checked).toMatchObject({
      code: 0,
      result: { columns: { feature_0: { kind: "number" } } },
    });
    const refused = await clone.run("npm", ["run", "-s", "model", "--", "check", "README.md"]);
    expect(refused.code, refused.output).toBe(1);
    const listed = await clone.run("npm", ["run", "-s", "model", "--", "list", "--name", "mlp"]);
    expect(listed.output).toContain("there is no registered model mlp");
  });

  test("a model is named after its file, and what the stack would need to serve it is said", async () => {
    const published = await model("publish", "test/models/mlp");
    expect(published).toMatchObject({
      code: 0,
      result: { name: "mlp", version: "1", served: { outcome: "elsewhere", replicas: [] } },
    });
    expect(JSON.stringify(published.result)).toContain(
      "the stack dev serves iris, not mlp. To have mlp served: `npx pulumi config set model mlp -s dev && npx pulumi up -s dev`",
    );
    expect(await servedModel()).toMatchObject({ name: "iris", version: "1" });
  });

  test("publish and promote end with what every replica made of the version", async () => {
    const taken = await model("publish", "service/models/iris");
    const served = { outcome: "served", replicas: [{ version: "2", state: "serves it" }] };
    expect(taken).toMatchObject({ code: 0, result: { name: "iris", version: "2", served } });
    expect(await servedModel()).toMatchObject({ version: "2" });
    // It takes other features.
    const refused = await model("publish", "test/models/mlp", "--name", "iris");
    const state = "refused it";
    expect(refused).toMatchObject({
      code: 1,
      result: { version: "3", served: { outcome: "refused", replicas: [{ version: "2", state }] } },
    });
    expect(JSON.stringify(refused.result)).toContain(
      "`npx pulumi config set allowContractChange true -s dev && npx pulumi up -s dev`",
    );
    expect(await servedModel()).toMatchObject({ version: "2" });
    const back = await clone.run("npm", ["run", "-s", "model", "--", "rollback"]);
    expect(back.code, back.output).toBe(0);
    expect(back.stdout).toMatch(
      /inference-\S+ +2 +\S+Z +serves it\nthe replica serves iris version 2\n$/,
    );
  });

  test("the rows of a file are predicted through the gateway, in its order", async () => {
    const rows = [...Array(2500).keys()].map((i) => [5 + (i % 20) / 10, 3, 1.4 + (i % 50) / 10, 1]);
    const names = ["sepal_length", "sepal_width", "petal_length", "petal_width"];
    const file = join(clone.dir, ".state", "rows.csv");
    writeFileSync(file, [names, ...rows].map((cells) => cells.join(",")).join("\n"));
    const all = await clone.run("npm", ["run", "-s", "model", "--", "predict", file, "--json"]);
    expect(all.code, all.output).toBe(0);
    const results = all.stdout.trim().split("\n");
    expect(results).toHaveLength(rows.length);
    for (const at of [0, 999, 1000, 2499]) {
      const row = Object.fromEntries(names.map((name, k) => [name, rows[at]?.[k]]));
      const one = await fetch(`${apiUrl}/predict`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(row),
      });
      expect(JSON.parse(results[at] ?? "")).toEqual(await one.json());
    }
    writeFileSync(file, "sepal_length,colour\n5,red\n");
    const wrong = await clone.run("npm", ["run", "-s", "model", "--", "predict", file]);
    expect(wrong.code).toBe(1);
    expect(wrong.output).toMatch(/^model: .*"colour", which POST \/predict does not take/);
  });

  test("takes bodies as large as its settings say, many of them at once", async () => {
    await set({ maxBody: "14MB", maxRows: "100000" });
    await up();
    const row = {
      ...{ sepal_length: 5.123456789012345, sepal_width: 3.523456789012345 },
      ...{ petal_length: 1.423456789012345, petal_width: 0.223456789012345 },
    };
    const body = JSON.stringify(Array<typeof row>(100_000).fill(row));
    expect(body.length).toBeGreaterThan(13e6);
    const ask = async (body: string) => {
      const headers = { "content-type": "application/json" };
      const reply = await fetch(`${apiUrl}/predict`, { method: "POST", headers, body });
      return [reply.status, ((await reply.json()) as unknown[]).length];
    };
    expect(await ask(body)).toEqual([200, 100_000]);
    const part = JSON.stringify(Array<typeof row>(25_000).fill(row));
    const several = Array.from({ length: 8 }, () => ask(part));
    expect(await Promise.all(several)).toEqual(Array(8).fill([200, 25_000]));
    const [id = ""] = clone.containers("service");
    expect(docker("inspect", "-f", "{{.RestartCount}} {{.State.OOMKilled}}", id)).toBe("0 false");
    await set({ memory: "128MB" });
    const refused = await clone.pulumi("preview", "-s", "dev");
    expect(refused.output).toContain("`npx pulumi config set memory 197MB -s dev`");
    await set({ memory: "256MB" });
    await unset("maxBody", "maxRows");
  });

  test("back to none keeps the models, and deploy again serves them without another", async () => {
    await set({ dependencies: "none" });
    await up();
    await setosa();
    expect(clone.containers("mlflow")).toEqual([]);
    expect(volumes()).toHaveLength(2);
    await set({ dependencies: "deploy" });
    await up();
    expect(await servedModel()).toMatchObject({ name: "iris", version: "2" });
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
    await set({
      dependencies: "attach",
      dependencyNetwork: registry.network,
      mlflowUrl: "http://mlflow:5000",
      s3Url: "http://s3:9000",
    });
    await set({ s3AccessKey: registry.accessKey, s3SecretKey: registry.secretKey }, "--secret");
    // The registry that it is set to use, which the stack that is up does not yet.
    expect(await model("publish", "service/models/iris")).toMatchObject({
      code: 0,
      result: { name: "iris", version: "1", served: { outcome: "elsewhere" } },
    });
    const before = inspect();
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

  test("serves a pickle of an MLflow that wants a password or a token, which replicas never have", async () => {
    const certificate = await privateCertificate(registry.machine);
    writeFileSync(join(clone.dir, ".state", "ca.pem"), certificate.ca);
    const [password, token] = ["a password: ümläut", "token-of-somebody"];
    const basic = Buffer.from(`somebody:${password}`).toString("base64");
    const proxy = await tlsProxy(
      ...([registry.machine, certificate, registry.mlflowHost, 5000] as const),
      [`Basic ${basic}`, `Bearer ${token}`],
    );
    const name = "iris_species";
    const truth = predicted(
      docker(
        ...["run", "--rm", "--network", registry.network, "-e", "DO_NOT_TRACK=true"],
        ...["-e", "MLFLOW_TRACKING_URI=http://mlflow:5000", "-e", "GIT_PYTHON_REFRESH=quiet"],
        ...[baseImages.mlflow, "python3", "-c", training],
      ),
    )[name];
    const serves = async (version: string) => {
      expect(await servedModel()).toMatchObject({ name, version });
      const expected = truth?.[version];
      if (expected === undefined) throw new Error(`nobody trained a version ${version}`);
      expect(await differences(apiUrl, expected)).toEqual([]);
      const [id = ""] = clone.containers("service");
      const told = docker("exec", id, "cat", "/run/inference/settings.json");
      for (const secret of [password, basic, token]) expect(told).not.toContain(secret);
    };
    const pointAt = async (version: string) => {
      const { status } = await fetch(
        `http://${registry.mlflowHost}:5000/api/2.0/mlflow/registered-models/alias`,
        {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ name, alias: "production", version }),
        },
      );
      expect(status).toBe(200);
    };
    try {
      await pointAt("1");
      await set({ model: name, mlflowUrl: proxy.url });
      const { code, output } = await clone.pulumi("up", "--yes", "--skip-preview", "-s", "dev");
      expect(code).not.toBe(0);
      expect(output).toMatch(/401/);
      await set({ mlflowUser: "somebody" });
      await set({ mlflowPassword: password }, "--secret");
      await up();
      await serves("1");
      await unset("mlflowUser", "mlflowPassword");
      await set({ mlflowToken: token }, "--secret");
      await up();
      await serves("1");
      await pointAt("2");
      await until("the next version serves", async () => (await servedModel()).version === "2");
      await serves("2");
      expect(JSON.stringify(clone.state("dev"))).not.toMatch(/ümläut|token-of-somebody/);
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
