// What all the original systems have: an MLflow and an S3 store of an older compose project on its own
// network, with a pickled scikit-learn model in them. MLflow of before and after version 3.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Clone, docker, freshClone, leftovers, onFreePorts } from "./clone.ts";
import { typedIn, withOwn } from "./support/readme.ts";
import { type Answer, steadyLoad, until } from "./support/service.ts";
import { somebodysMlflow, type SomebodysMlflow, type Theirs } from "./support/somebodys-mlflow.ts";
import { differences } from "./support/truth.ts";

let clone: Clone;
let apiUrl: string;
let older: SomebodysMlflow;
let newer: SomebodysMlflow;
/** What the older one had before anything of ours was there. */
let untouched: Theirs;

const MODEL = "iris_species";

const set = async (values: Readonly<Record<string, string>>) => {
  for (const [key, value] of Object.entries(values)) {
    const { code, output } = await clone.pulumi("config", "set", key, value, "-s", "dev");
    expect(code, output).toBe(0);
  }
};
const up = () => clone.pulumi("up", "--yes", "--skip-preview", "-s", "dev");
const asked = async (path: string) =>
  (await (await fetch(`${apiUrl}${path}`)).json()) as Readonly<Record<string, unknown>>;
const serves = (version: string) =>
  // The registry is looked at every ten seconds, and a conversion starts a Python.
  until(
    `version ${version} serves`,
    async () => (await asked("/model"))["version"] === version,
    180_000,
  );
const right = async (theirs: SomebodysMlflow, version: string) => {
  const truth = theirs.truth[version];
  if (truth === undefined) throw new Error(`nobody trained a version ${version}`);
  expect(truth.rows).toHaveLength(100);
  expect(await differences(apiUrl, truth)).toEqual([]);
};

/** The lines of the README that attach a stack, with the values of somebody's MLflow in place of its own. */
const readmeLines = ({ network, mlflowUrl, s3Url, accessKey, secretKey }: SomebodysMlflow) => {
  const blocks = typedIn(readFileSync(join(clone.dir, "README.md"), "utf8"), "Your model");
  const attaching = blocks.find((lines) =>
    lines.some((line) => line.includes("dependencies attach")),
  );
  const keys = { dependencyNetwork: network, mlflowUrl, s3Url, model: MODEL };
  const own = { ...keys, s3AccessKey: accessKey, s3SecretKey: secretKey };
  return (attaching ?? []).map((line) => withOwn(line, own));
};

const typed = async (lines: readonly string[]) => {
  for (const line of lines) {
    // Pulumi asks whoever sits there.
    const { code, output } = await clone.run("bash", ["-c", line], {
      PULUMI_SKIP_CONFIRMATIONS: "true",
    });
    expect(code, `${line}\n${output}`).toBe(0);
  }
};

beforeAll(async () => {
  clone = freshClone("attached-model");
  apiUrl = await onFreePorts(clone);
  const ready = await clone.run("node", ["toolchain/setup.mjs", "--yes"]);
  expect(ready.code, ready.output).toBe(0);
  [older, newer] = await Promise.all([somebodysMlflow("2.22.5"), somebodysMlflow("3.17.2")]);
  await older.promote(MODEL, "1");
  await newer.alias(MODEL, "champion", "2");
  await newer.promote("house_rules", "1");
  await older.promote("house_rules", "1");
});

afterAll(async () => {
  clone.remove();
  await Promise.all([older, newer].map((one) => one.remove()));
});

describe("what their registry shows to be impossible", () => {
  beforeAll(async () => {
    untouched = await older.snapshot();
    const lines = readmeLines(older);
    expect(lines.at(-1)).toBe("npx pulumi up -s dev");
    await typed(lines.slice(0, -1));
  });

  test.each([
    ["no such model", "iris_tree", /iris_tree/],
    ["no version in the stage", "draft", /draft.*Production/],
    ["no flavor that can be served", "house_rules", /version 1 .*house_rules.*python_function/],
  ])("%s: said in a sentence, and nothing is made", async (_, model, sentence) => {
    await set({ model });
    const since = performance.now();
    const { code, output } = await up();
    console.log(`${model}: ${((performance.now() - since) / 1000).toFixed(1)} s`);
    expect(code).not.toBe(0);
    const said = output.split("\n").filter((line) => sentence.test(line));
    expect(said.length, output).toBeGreaterThan(0);
    expect(output).toMatch(/npx pulumi (config|up) /);
    expect(output).not.toMatch(/^ +at /m);
    expect(leftovers(clone.id)).toEqual([]);
    expect(await older.snapshot()).toEqual(untouched);
  });
});

describe("MLflow 2.22.5, by stage", () => {
  test("the README's lines and one up serve its pickle: 100 rows as the original", async () => {
    await set({ model: MODEL });
    await typed(readmeLines(older).slice(-1));
    expect(await asked("/model")).toMatchObject({ name: MODEL, version: "1" });
    await right(older, "1");
  });

  test("nothing is written there, and who joined its network has no name on it", async () => {
    const { network, ...rest } = await older.snapshot();
    const { network: before, ...others } = untouched;
    expect(rest).toEqual(others);
    const joined = Object.keys(network.Containers).filter((id) => !(id in before.Containers));
    expect(joined.length).toBeGreaterThan(0);
    for (const id of joined) {
      const format = `{{json (index .NetworkSettings.Networks "${older.network}").Aliases}}`;
      const aliases = JSON.parse(docker("inspect", "-f", format, id)) as string[] | null;
      // The engine itself adds the id.
      expect((aliases ?? []).filter((alias) => !id.startsWith(alias))).toEqual([]);
    }
  });

  test("a version promoted there at 200 requests/s is taken over, and no request fails", async () => {
    const load = steadyLoad(apiUrl, JSON.stringify(older.truth["1"]?.rows[0]), 200);
    let answers: readonly Answer[];
    try {
      await sleep(2000);
      await older.promote(MODEL, "2");
      await serves("2");
      await sleep(2000);
    } finally {
      answers = await load.stop();
    }
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    expect(answers.length).toBeGreaterThan(400);
    expect(new Set(answers.map(({ body }) => body)).size).toBe(2);
    console.log(`${answers.length} requests over a promotion: none failed`);
    await right(older, "2");
  });

  test("one that was logged with nothing beside it is too", async () => {
    await older.promote(MODEL, "3");
    await serves("3");
    await right(older, "3");
  });

  test("one that cannot be converted is refused where people look, and the one before serves on", async () => {
    await older.promote(MODEL, "4");
    await until("it is refused", async () => "refused" in (await asked("/model")), 180_000);
    const { version, refused } = await asked("/model");
    expect(version).toBe("3");
    expect(refused).toMatchObject({
      version: "4",
      reason: expect.stringContaining("Nearest") as string,
    });
    const status = await clone.run("npm", ["run", "-s", "status"]);
    expect(status.output).toMatch(/4.*Nearest/);
    await right(older, "3");
    await older.promote(MODEL, "1");
  });
});

describe("MLflow 3.17.2, by alias", () => {
  test("an alias that is not there is a sentence, and what serves serves on", async () => {
    const running = clone.containers("service");
    const { network, mlflowUrl, s3Url, accessKey, secretKey } = newer;
    await clone.pulumi("config", "rm", "modelStage", "-s", "dev");
    await set({ dependencyNetwork: network, mlflowUrl, s3Url, modelAlias: "champoin" });
    for (const [key, value] of Object.entries({ s3AccessKey: accessKey, s3SecretKey: secretKey })) {
      await clone.pulumi("config", "set", "--secret", key, value, "-s", "dev");
    }
    const { code, output } = await up();
    expect(code).not.toBe(0);
    expect(output).toMatch(/champoin.*champion/);
    expect(clone.containers("service")).toEqual(running);
    expect(await asked("/model")).toMatchObject({ name: MODEL });
  });

  test("one up goes over to it: 100 rows as the original; the network left is as it was", async () => {
    const before = await newer.snapshot();
    await set({ modelAlias: "champion" });
    const { code, output } = await up();
    expect(code, output).toBe(0);
    expect(await asked("/model")).toMatchObject({ name: MODEL, version: "2" });
    await right(newer, "2");
    const left = await older.snapshot();
    expect(left.network).toEqual(untouched.network);
    expect(left.members).toEqual(untouched.members);

    const destroyed = await clone.pulumi("destroy", "--yes", "--skip-preview", "-s", "dev");
    expect(destroyed.code, destroyed.output).toBe(0);
    expect(await newer.snapshot()).toEqual(before);
  });
});
