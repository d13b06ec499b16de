// Registered models carried over a stack that was destroyed, and over another database of MLflow.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { root } from "../toolchain/clone.mjs";
import { ensureImages } from "../toolchain/steps/images.mjs";
import { baseImages } from "../toolchain/versions.mjs";
import { type Clone, docker, freshClone, onFreePorts } from "./clone.ts";
import { until } from "./support/service.ts";
import { predict } from "./traffic.ts";

const containing = (text: string): unknown => expect.stringContaining(text);

describe("what an import reads before it changes anything", () => {
  const answers = z.object({
    whole: z.boolean(),
    flipped: z.number(),
    cut: z.number(),
    hostile: z.record(z.string(), z.string()),
    plans: z.record(z.string(), z.unknown()),
  });
  let told: z.infer<typeof answers>;

  beforeAll(async () => {
    await ensureImages(["base-mlflow"], { consent: { yes: true } });
    const script = readFileSync(join(root, "test/support/backups.py"), "utf8");
    const code = execFileSync("tar", ["-C", join(root, "toolchain/model/python"), "-cf-", "."]);
    const boot = `import sys, tarfile; tarfile.open(fileobj=sys.stdin.buffer, mode="r|").extractall("/code")\n`;
    const out = execFileSync(
      "docker",
      [
        ...["run", "--rm", "--interactive", "--network=none", "--memory=1g", "--log-driver=none"],
        ...["--tmpfs=/code:mode=1777", baseImages.mlflow, "python3", "-c", boot + script],
      ],
      { input: code, encoding: "utf8" },
    );
    told = answers.parse(JSON.parse(out));
  });

  test("is whole or refused, wherever a byte of it is another or missing", () => {
    expect(told).toMatchObject({ whole: true, flipped: 1, cut: 1 });
  });

  test("holds plain files alone, each in its place and told of in its records", () => {
    for (const [what, said] of Object.entries(told.hostile)) {
      expect(said, what).toMatch(
        /^the backup is damaged or not one of ours: .*nothing was changed$/,
      );
    }
    expect(told.hostile).toMatchObject({
      "a symbolic link": containing("models/mine/1/x is not a plain file"),
      "a path outside": containing("stored as '../../x'"),
      "a file too large": containing("8589934591 bytes, allowed are"),
    });
  });

  test("is compared with what is there: the same is kept, another refused, the demonstration replaced", () => {
    expect(told.plans).toMatchObject({
      "nothing there": [false, [false, ["MLmodel", "data/weights é.bin"]]],
      "the same there": [false, [true, []]],
      "files missing there": [false, [true, ["data/weights é.bin"]]],
      "the demonstration there": [true, [false, ["MLmodel", "data/weights é.bin"]]],
      "the same demonstration there": [false, [true, []]],
      "another there": containing("mine version 1 is there already with other content"),
      "more there": containing("mine version 1 is there already with other content"),
      "deleted there": containing("mine version 1 was deleted there"),
    });
  });
});

/** What `npm run status` tells programs. */
const running = z.array(
  z.object({ containers: z.array(z.object({ part: z.string(), name: z.string() })) }),
);

describe("a stack that serves a model of one's own", () => {
  let clone: Clone;
  let apiUrl: string;
  let backup: string;
  let before: { readonly model: unknown; readonly prediction: unknown };

  const none =
    "there is no registered model mine in this stack's MLflow yet: " +
    "publish it with `npm run model -- publish <file> --name mine -s dev` " +
    "or bring a backup back with `npm run model -- import <file> -s dev`, " +
    "then run `npx pulumi up -s dev` again";

  const pulumi = async (...args: string[]) => {
    const { code, output } = await clone.pulumi(...args, "-s", "dev");
    expect(code, output).toBe(0);
  };
  const set = (key: string, value: string) => pulumi("config", "set", key, value);
  const up = () => pulumi("up", "--yes", "--skip-preview");
  const upRefused = async (sentence: string) => {
    const { code, output } = await clone.pulumi("up", "--yes", "--skip-preview", "-s", "dev");
    expect(code).not.toBe(0);
    expect(output.replace(/\s+/g, " ")).toContain(sentence);
    expect(output).not.toMatch(/^ +at |s3SecretKey/m);
  };
  const modelCli = (...args: string[]) => clone.run("npm", ["run", "-s", "model", "--", ...args]);
  const model = async (...args: string[]): Promise<unknown> => {
    const { code, output, stdout } = await modelCli(...args, "--json");
    expect(code, output).toBe(0);
    return JSON.parse(stdout);
  };
  const served = async () =>
    z
      .looseObject({ name: z.string(), version: z.string(), digest: z.string() })
      .parse(await (await fetch(`${apiUrl}/model`)).json());
  const standing = async () => {
    const { name, version, digest } = await served();
    return { model: { name, version, digest }, prediction: await predict(apiUrl) };
  };
  const serves = (version: string) =>
    until(`version ${version} serves`, async () => (await served()).version === version, 300_000);
  const containers = async (part: string) => {
    const { stdout } = await clone.run("npm", ["run", "-s", "status", "--", "--json"]);
    return running
      .parse(JSON.parse(stdout))
      .flatMap((stack) => stack.containers.filter((each) => each.part === part))
      .map(({ name }) => name);
  };
  const dataVolumes = async () => {
    const format = '{{range .Mounts}}{{if eq .Destination "/data"}}{{.Name}}{{end}}{{end}}';
    const holders = [...(await containers("mlflow")), ...(await containers("s3"))];
    return holders.map((name) => docker("inspect", "--format", format, name));
  };
  /** What only MLflow's own client does. */
  const inMlflow = async (script: string) => {
    const [id = ""] = await containers("mlflow");
    return docker(
      ...["exec", "-e", "MLFLOW_TRACKING_URI=http://127.0.0.1:5000", id, "python3", "-W", "ignore"],
      ...["-c", `from mlflow.tracking import MlflowClient\nclient = MlflowClient()\n${script}`],
    );
  };
  const records = async () =>
    JSON.parse(
      await inMlflow(`import json
model = client.get_registered_model("mine")
print(json.dumps([model.description, model.tags, {a: str(v) for a, v in model.aliases.items()}, [
    [str(v.version), v.description, v.current_stage, v.tags,
     client.get_run(v.run_id).data.metrics, client.get_run(v.run_id).data.tags["mlflow.runName"]]
    for v in sorted(client.search_model_versions("name='mine'"), key=lambda v: int(v.version))]]))`),
    ) as unknown;

  beforeAll(async () => {
    clone = freshClone("backup");
    apiUrl = await onFreePorts(clone, { dependencies: "deploy", model: "mine" });
    backup = join(clone.dir, ".state", "backup.tar");
    execFileSync("node", ["toolchain/setup.mjs", "--yes"], { cwd: clone.dir, stdio: "ignore" });
  });

  afterAll(() => {
    clone.remove();
  });

  test("asks for it where its registry has none, and serves nothing in its place", async () => {
    await upRefused(none);
    expect(await containers("mlflow")).toHaveLength(1);
    expect(await containers("service")).toEqual([]);
  });

  test("is published to without outputs, and comes up with it", async () => {
    const iris = ["publish", "service/models/iris", "--name", "mine"];
    expect(await model(...iris)).toMatchObject({ version: "1" });
    await up();
    expect(await served()).toMatchObject({ name: "mine", version: "1", origin: "registry" });
    expect(await model(...iris, "--alias", "none")).toMatchObject({ version: "2" });
    expect(await model(...iris)).toMatchObject({ version: "3", before: "1" });
    await inMlflow(`client.delete_model_version("mine", "2")
client.update_registered_model("mine", "What it is for")
client.update_model_version("mine", "3", "Why it is better")
client.transition_model_version_stage("mine", "3", "Staging")
client.log_metric(client.get_model_version("mine", "3").run_id, "accuracy", 0.97)`);
    // As another stack had it: published apart from here, and so with another digest.
    await model("publish", "service/models/iris", "--name", "iris");
    await serves("3");
    before = await standing();
  });

  test("is backed up into a file that its owner alone reads, and that is not written over", async () => {
    const written = await model("export", backup);
    expect(written).toMatchObject({
      models: [
        { name: "iris" },
        { name: "mine", aliases: { production: "3" }, versions: [{ version: "1" }, {}] },
      ],
    });
    expect(statSync(backup).mode & 0o777).toBe(0o600);
    const bytes = readFileSync(backup);
    const again = await modelCli("export", backup);
    expect(again.code).toBe(1);
    expect(again.output).toBe(`model: ${backup} is there already; --force writes over it\n`);
    expect(readFileSync(backup).equals(bytes)).toBe(true);
    const folder = join(clone.dir, ".state", "unpacked");
    execFileSync("mkdir", [folder]);
    execFileSync("tar", ["xf", backup, "-C", folder]);
    execFileSync("sha256sum", ["--check", "--strict", "--quiet", "SHA256SUMS"], { cwd: folder });
  });

  test("lost with all its data, it comes back as it was, and can be rolled back", async () => {
    const kept = await records();
    const lost = await dataVolumes();
    await pulumi("destroy", "--yes", "--skip-preview");
    docker("volume", "rm", ...lost);
    await upRefused(none);
    expect(await containers("service")).toEqual([]);

    const damaged = join(clone.dir, ".state", "damaged.tar");
    const bytes = readFileSync(backup);
    const at = bytes.indexOf("models/mine/1/model.onnx") + 600;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeFileSync(damaged, bytes);
    const refused = await modelCli("import", damaged);
    expect(refused.code).toBe(1);
    expect(refused.output).toMatch(
      /^model: the backup is damaged or not one of ours: models\/mine\/1\/model.onnx is not what SHA256SUMS says; nothing was changed$/m,
    );
    expect((await modelCli("list")).output).toContain("there is no registered model mine");

    await model("publish", "service/models/iris", "--name", "iris");
    await cutOff("import", backup);
    expect(await model("import", backup)).toMatchObject({
      models: [
        { name: "iris", versions: [{ version: "1", done: "kept" }] },
        { name: "mine", versions: [{ version: "1" }, { version: "3", done: "made" }] },
      ],
    });
    const restored = await records();
    expect(restored).toEqual(kept);
    expect(await model("import", backup)).toMatchObject({
      models: [{ name: "iris" }, { versions: [{ done: "kept" }, { done: "kept" }] }],
    });
    expect(await records()).toEqual(restored);

    await up();
    expect(await standing()).toEqual(before);
    expect(await model("rollback")).toMatchObject({ version: "1", before: "3" });
    await serves("1");
  });

  test("is carried over to MLflow's other database", async () => {
    await set("mlflowDatabase", "postgres");
    await upRefused(none);
    expect((await predict(apiUrl)).status).toBe(200);
    expect(await served()).toMatchObject({ name: "mine", version: "1" });
    await model("import", backup);
    await up();
    await serves("3");
    expect(await standing()).toEqual(before);
    expect(await model("rollback")).toMatchObject({ version: "1", before: "3" });
  });

  /** Runs a command that is ended when it has begun to change something. */
  async function cutOff(...args: string[]): Promise<void> {
    const node = join(clone.dir, "node_modules/.bin/node");
    const child = spawn(node, ["toolchain/model/cli.ts", ...args], {
      cwd: clone.dir,
      stdio: ["ignore", "ignore", "pipe"],
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      if (text.includes("mine version 3")) child.kill("SIGTERM");
    });
    const [code] = (await once(child, "exit")) as [number | null];
    expect(code).toBe(130);
  }
});
