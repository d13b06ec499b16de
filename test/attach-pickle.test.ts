// A pickle is foreign code. What it may do where it is opened, what that changes for others, and what a
// stack that converts pickles does when it starts anew.
import { afterAll, beforeAll, expect, test } from "vitest";
import { run } from "../toolchain/process.mjs";
import { bringUp, type Clone, docker, freshClone, leftovers, onFreePorts } from "./clone.ts";
import mlflow2 from "./images/mlflow-2.mjs";
import { until } from "./support/service.ts";
import { somebodysMlflow, type SomebodysMlflow } from "./support/somebodys-mlflow.ts";
import { differences } from "./support/truth.ts";

let clone: Clone;
let apiUrl: string;
let theirs: SomebodysMlflow;
let before: readonly string[];

const MODEL = "iris_species";
/** The version of it that holds HOSTILE. */
let evil: string;

/** Says what it could do, and leaves behind who would spoil the conversions that come after it. */
const HOSTILE = `
import json, os, socket, time

def tried(what):
    try:
        what()
        return "DONE"
    except OSError as error:
        return error.__class__.__name__

def write(path, text="foreign"):
    with open(path, "w") as file:
        file.write(text)

def execute():
    write("/tmp/program", "#!/bin/sh\\n")
    os.chmod("/tmp/program", 0o700)
    os.execv("/tmp/program", ["program"])

def stay():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            while True:
                for path, text in [("out/MLmodel", "foreign"), ("result.json", "{}"), ("over", "guess")]:
                    tried(lambda: os.makedirs("/data/out", exist_ok=True))
                    tried(lambda: write(f"/data/{path}", text))
                tried(lambda: write("/data/job.json", json.dumps({"life": "guess", "seconds": 9})))
                time.sleep(0.02)
        os._exit(0)

stay()
time.sleep(1)
found = {
    "root": os.getuid() == 0,
    "name": tried(lambda: socket.create_connection(("mlflow", 5000), 2)),
    "address": tried(lambda: socket.create_connection(("192.0.2.1", 80), 2)),
    "converter": tried(lambda: open("/proc/1/mem", "r+b")),
    "code": tried(lambda: write("/run/unpickler/worker.py")),
    "program": tried(execute),
    "secrets": [key for key in os.environ if "KEY" in key or "TOKEN" in key],
}
raise RuntimeError("found " + " ".join(f"{key}={value}" for key, value in found.items()))
`;

const REGISTER = `
import mlflow, sys

class Evil:
    def __reduce__(self):
        return exec, (sys.argv[1], {})
    def predict(self, rows):
        return rows

with mlflow.start_run():
    made = mlflow.sklearn.log_model(Evil(), artifact_path="model", registered_model_name="${MODEL}",
                             serialization_format="cloudpickle", pip_requirements=["scikit-learn"])
print()
print(made.registered_model_version)
`;

const asked = async () =>
  (await (await fetch(`${apiUrl}/model`)).json()) as {
    readonly version: string;
    readonly refused?: { readonly version: string; readonly reason: string };
  };
const wait = (what: string, is: (model: Awaited<ReturnType<typeof asked>>) => boolean) =>
  until(what, async () => is(await asked()), 180_000);
/** Who is on their network. Not what they say of themselves: started again, they have other addresses. */
const onTheirs = () => {
  const format = "{{range $id, $_ := .Containers}}{{$id}} {{end}}";
  return docker("network", "inspect", "--format", format, theirs.network).split(" ").sort();
};
const up = () => clone.pulumi("up", "--yes", "--skip-preview", "-s", "dev");
const right = async (version: string) => {
  const truth = theirs.truth[version];
  if (truth === undefined) throw new Error(`nobody trained a version ${version}`);
  expect(await differences(apiUrl, truth)).toEqual([]);
};

beforeAll(async () => {
  clone = freshClone("attach-pickle");
  const ready = await clone.run("node", ["toolchain/setup.mjs", "--yes"]);
  expect(ready.code, ready.output).toBe(0);
  theirs = await somebodysMlflow("2.22.5");
  const registered = await run("docker", [
    ...["run", "--rm", `--network=${theirs.network}`, "--env=GIT_PYTHON_REFRESH=quiet"],
    ...[`--env=MLFLOW_TRACKING_URI=${theirs.mlflowUrl}`],
    ...[`--env=MLFLOW_S3_ENDPOINT_URL=${theirs.s3Url}`],
    ...[`--env=AWS_ACCESS_KEY_ID=${theirs.accessKey}`],
    ...[`--env=AWS_SECRET_ACCESS_KEY=${theirs.secretKey}`],
    ...[mlflow2.image, "python3", "-c", REGISTER, HOSTILE],
  ]);
  evil = registered.split("\n").at(-1) ?? "";
  apiUrl = await onFreePorts(clone, {
    ...{ dependencies: "attach", model: MODEL, modelStage: "Production" },
    ...{ dependencyNetwork: theirs.network, mlflowUrl: theirs.mlflowUrl, s3Url: theirs.s3Url },
  });
});

afterAll(async () => {
  clone.remove();
  await theirs.remove();
});

test("a first version that cannot be served ends up with its name, its reason and the way out", async () => {
  await theirs.promote(MODEL, evil);
  before = onTheirs();
  const credentials = { s3AccessKey: theirs.accessKey, s3SecretKey: theirs.secretKey };
  await clone.pulumi("stack", "init", "dev");
  for (const [key, value] of Object.entries(credentials)) {
    const { code, output } = await clone.pulumi(
      "config",
      "set",
      "--secret",
      key,
      value,
      "-s",
      "dev",
    );
    expect(code, output).toBe(0);
  }
  const { code, output } = await bringUp(clone, "-s", "dev");
  expect(code).not.toBe(0);
  expect(output).toMatch(
    new RegExp(
      `version ${evil} of the registered model ${MODEL} cannot be served: .*found root=False`,
    ),
  );
  expect(output).toContain(`npm run model -- publish models:/${MODEL}/${evil}`);
  expect(clone.containers("converter")).toEqual([]);
  expect(clone.containers("service")).toEqual([]);
});

test("the one after it is converted as if nothing had been before", async () => {
  await theirs.promote(MODEL, "1");
  const { code, output } = await up();
  expect(code, output).toBe(0);
  expect((await asked()).version).toBe("1");
  await right("1");
});

test("while one serves, the hostile one changes nothing but what is said of it", async () => {
  await theirs.promote(MODEL, evil);
  await wait("it is refused", ({ refused }) => refused?.version === evil);
  const { version, refused } = await asked();
  expect(version).toBe("1");
  expect(refused?.reason).toContain(
    "found root=False name=gaierror address=OSError converter=PermissionError code=OSError " +
      "program=PermissionError secrets=[]",
  );
  const status = await clone.run("npm", ["run", "-s", "status"]);
  expect(status.output).toMatch(new RegExp(`${MODEL} +1 +1 +version ${evil}: .*found root=False`));
  await theirs.promote(MODEL, "2");
  await wait("the next one serves", (model) => model.version === "2");
  await right("2");
});

test("what was made is registered there where that is asked for, beside the original and not before", async () => {
  const made = async () => {
    const { versions } = (await theirs.snapshot()) as {
      versions: {
        model_versions: { current_stage: string; tags?: { key: string; value: string }[] }[];
      };
    };
    return versions.model_versions.flatMap(({ current_stage, tags = [] }) =>
      tags
        .filter(({ key }) => key === "inference-stack.source")
        .map(({ value }) => ({ value, stage: current_stage })),
    );
  };
  expect(await made()).toEqual([]);
  const told = await clone.pulumi("config", "set", "registerConverted", "true", "-s", "dev");
  expect(told.code, told.output).toBe(0);
  const { code, output } = await up();
  expect(code, output).toBe(0);
  await until("it is registered", async () => (await made()).length > 0, 60_000);
  expect(await made()).toEqual([{ value: `models:/${MODEL}/2`, stage: "None" }]);
  expect((await asked()).version).toBe("2");
});

test("all of it started anew, with the registry away, serves what was kept", async () => {
  const away = [`${theirs.network}-mlflow-1`, `${theirs.network}-minio-1`];
  docker("stop", "--time", "2", ...away);
  const parts = ["unpickler", "converter", "service"].flatMap((part) => clone.containers(part));
  expect(parts).toHaveLength(3);
  docker("restart", "--time", "1", ...parts);
  await until("it serves", async () => (await fetch(`${apiUrl}/readyz`)).status === 200, 120_000);
  expect((await asked()).version).toBe("2");
  await right("2");
  docker("start", ...away);
});

test("destroy leaves nothing, and theirs as it was", async () => {
  const { code, output } = await clone.pulumi("destroy", "--yes", "--skip-preview", "-s", "dev");
  expect(code, output).toBe(0);
  expect(leftovers(clone.id)).toEqual([]);
  expect(onTheirs()).toEqual(before);
});
