import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { allocate, elementCount } from "../service/contract/types.ts";
import { loadModel, type LoadedModel } from "../service/model/model.ts";
import { folderId, label, root } from "../toolchain/clone.mjs";
import { run } from "../toolchain/process.mjs";
import { ensureImages } from "../toolchain/steps/images.mjs";
import { baseImages } from "../toolchain/versions.mjs";

// Models as people bring them, each made into what is served: one container for all of them, and
// then the service's own loader for what came out.

type Row = Readonly<Record<string, unknown>>;

interface Column {
  readonly kind: string;
  readonly nullable: boolean;
}

interface Case {
  readonly refused?: string;
  readonly said: readonly string[];
  readonly facts?: {
    readonly agreement: { readonly rows: number; readonly agreed: number } | null;
    readonly columns: Readonly<Record<string, Column>>;
    readonly class_labels: readonly unknown[] | null;
    readonly made_with: string | null;
  };
  /** What is kept for loads and documentation. */
  readonly kept?: readonly Row[];
  /** Some of those, then one with null in each column that takes it; and the original's predictions. */
  readonly rows?: readonly Row[];
  readonly answers?: readonly unknown[];
}

let work: string;
let cases: Map<string, Case>;

beforeAll(async () => {
  await ensureImages(["base-mlflow"], { consent: { yes: true } });
  work = await mkdtemp(join(tmpdir(), "publications-"));
  const name = `inference-stack-${folderId}-test-${randomBytes(3).toString("hex")}`;
  const out = await run("docker", [
    ...["run", `--name=${name}`, `--label=${label.folder}=${folderId}`, "--network=none"],
    ...["--memory=2g", "--cpus=1", "--env=PYTHONPATH=/opt/python:/code"],
    `--volume=${join(root, "toolchain/model/python")}:/code:ro`,
    ...[`--volume=${join(root, "test/support")}:/test:ro`, baseImages.mlflow],
    ...["sh", "-c", "mkdir /tmp/out && python3 -B /test/publications.py /tmp/out"],
  ]).finally(async () => {
    await run("docker", ["cp", `${name}:/tmp/out/.`, work]).catch(() => undefined);
    await run("docker", ["rm", "--force", name]);
  });
  cases = new Map(Object.entries(JSON.parse(out) as Record<string, Case>));
});

afterAll(async () => {
  await rm(work, { recursive: true });
});

const folder = (name: string, which: "given" | "served"): string =>
  join(work, name.replaceAll(" ", "-"), which);

const named = (pattern: RegExp): [string, Case][] => {
  const found = [...cases].filter(([name]) => pattern.test(name));
  expect(found.length, String(pattern)).toBeGreaterThan(0);
  return found;
};

const one = (name: string): Case => {
  const found = cases.get(name);
  if (!found) throw new Error(`there is no case ${name}`);
  return found;
};

const kinds = (name: string): Record<string, string> =>
  Object.fromEntries(
    Object.entries(one(name).facts?.columns ?? {}).map(([column, { kind, nullable }]) => [
      column,
      nullable ? `${kind} or null` : kind,
    ]),
  );

/** A label or prediction by its value: booleans and whole floats are integers in a tensor. */
const value = (given: unknown): unknown =>
  typeof given === "bigint" || typeof given === "boolean" ? Number(given) : given;

/** What `use` makes of the model in a folder, as the service loads it. */
function loaded<T>(path: string, use: (model: LoadedModel) => T): T {
  const model = loadModel(path, {}, { threads: 1 });
  try {
    return use(model);
  } finally {
    model.close();
  }
}

/** What the first output of a served model has for rows, asked in one run. */
const predictions = (path: string, rows: readonly Row[]): unknown[] =>
  loaded(path, (model) => {
    const { contract, decoder } = model;
    expect(decoder.check(rows, true), path).toEqual([]);
    const shapes = decoder.rowShape(contract, rows[0] ?? {});
    const widths = shapes.map(elementCount);
    const data = contract.inputs.map(({ type }, i) =>
      allocate(type, rows.length * (widths[i] ?? 1)),
    );
    decoder.write(rows, 0, rows.length, data, widths, 0);
    const dims = contract.inputs.map(({ shape }, i) =>
      shape.length === 1 ? [rows.length] : [rows.length, ...(shapes[i] ?? [])],
    );
    return Array.from((model.run(data, dims)[0]?.data ?? []) as Iterable<unknown>, value);
  });

/** The names of fields and outputs. */
const namesIn = (name: string): { inputs: string[]; outputs: string[] } =>
  loaded(folder(name, "served"), ({ contract: { fields, outputs } }) => ({
    inputs: fields.map((field) => field.name).sort(),
    outputs: outputs.map((output) => output.name),
  }));

test("what is published loads in the service, takes the rows kept, and answers as the original does", () => {
  let asked = 0;
  for (const [name, { facts, kept, rows, answers }] of cases) {
    if (!facts) continue;
    expect(facts.agreement?.agreed, name).toBe(facts.agreement?.rows);
    const path = folder(name, "served");
    if (!kept?.length || !rows) {
      loaded(path, () => undefined);
      continue;
    }
    // As /predict takes them.
    predictions(path, kept);
    if (!answers) continue;
    predictions(path, rows).forEach((given, i) => {
      const expected = value(answers[i]);
      const what = `${name}, ${JSON.stringify(rows[i])}`;
      if (typeof expected === "number") expect(given, what).toBeCloseTo(expected, 4);
      else expect(given, what).toBe(expected);
      asked++;
    });
  }
  expect(asked).toBeGreaterThan(1000);
});

describe("labels", () => {
  test("are compared by value and kept in the original's type, whatever classifies", () => {
    const labels = {
      boolean: [false, true],
      float: [0, 1],
      integer: [5, 7],
      "numpy text": ["no", "ähm"],
    };
    for (const [kind, expected] of Object.entries(labels)) {
      const found = named(new RegExp(`^${kind} labels`));
      expect(found.length).toBe(7);
      for (const [name, { facts }] of found) expect(facts?.class_labels, name).toEqual(expected);
    }
  });

  test("have their names in order, as many as there are", async () => {
    expect(one("names of classes").facts?.class_labels).toEqual([5, 7, 9]);
    const described = await readFile(join(folder("names of classes", "served"), "MLmodel"), "utf8");
    expect(described).toMatch(/class_names:\n +- A\n +- B\n +- C\n/);
    expect(one("too few names of classes").refused).toBe(
      "2 class names do not fit the 3 classes [5, 7, 9]",
    );
  });

  test("that disagree are told of ten rows, and the rest is counted", () => {
    const told = (one("contrary").refused ?? "").split("\n");
    expect(told[0]).toBe(
      "the converted model agrees on 980 of 1000 rows; at least 99.9% are needed:",
    );
    expect(told.slice(1, -1).every((line) => /^ {2}row \d+: \S+ became \S+$/.test(line))).toBe(
      true,
    );
    expect([told.length, told.at(-1)]).toEqual([12, "  and 10 more"]);
  });
});

describe("rows to check with", () => {
  test("never hold a category that nobody has seen, however many were given", () => {
    for (const [name, { facts, refused, said, kept }] of named(/^(one-hot|ordinal)/)) {
      expect(refused, name).toBeUndefined();
      expect(
        said.filter((line) => line.startsWith("note")),
        name,
      ).toEqual([]);
      expect(facts?.columns["pclass"], name).toEqual({ kind: "integer", nullable: false });
      expect(
        kept?.every(({ pclass }) => [1, 2, 3].includes(pclass as number)),
        name,
      ).toBe(true);
    }
  });

  test("leave out what the original itself refuses, and say so", () => {
    expect(one("some rows of nobody's").said).toContainEqual(
      expect.stringMatching(
        /^note: the original refuses 3 of 23 sample rows, row 20 first: .*Oslo/,
      ),
    );
    expect(one("some rows of nobody's").kept).toHaveLength(20);
    expect(one("only rows of nobody's").refused).toMatch(
      /^the original predicts none of the 3 sample rows: .*Oslo/,
    );
  });

  test("are kept as callers send them", async () => {
    for (const [name, { kept, facts }] of cases) {
      if (!kept?.length || !facts) continue;
      expect(kept.length, name).toBeLessThanOrEqual(200);
      for (const row of kept) {
        for (const [column, { kind, nullable }] of Object.entries(facts.columns)) {
          const held = row[column];
          const type = { boolean: "boolean", string: "string" }[kind] ?? "number";
          if (held === null) expect(nullable, `${name}, ${column}`).toBe(true);
          else expect(typeof held, `${name}, ${column}`).toBe(type);
          if (kind === "integer" && held !== null) expect(Number.isInteger(held), name).toBe(true);
        }
        expect(Object.keys(row).sort(), name).toEqual(Object.keys(facts.columns).sort());
      }
    }
    const text = await readFile(
      join(folder("imputed, rows with gaps", "served"), "sample_rows.json"),
      "utf8",
    );
    expect(text).toMatch(/"port": null/);
    expect(text).not.toContain("NaN");
  });
});

describe("null", () => {
  test("is taken where the model is made for gaps, whatever the rows it is published with", () => {
    const whole = { age: "integer or null", fare: "number or null", pclass: "integer or null" };
    const rest = { port: "string or null", member: "boolean or null" };
    expect(kinds("imputed, complete rows")).toEqual({ ...whole, ...rest });
    expect(kinds("imputed, rows with gaps")).toEqual({
      ...whole,
      pclass: "number or null",
      ...rest,
    });
    for (const column of Object.values(kinds("imputed, no rows")))
      expect(column).toMatch(/ or null$/);
    expect(kinds("imputed and marked")).toEqual({ age: "integer", fare: "number or null" });
    expect(kinds("encoder that met gaps")).toEqual({
      ...{ age: "integer", pclass: "number or null", port: "string or null" },
    });
    expect(kinds("codes of gaps")).toMatchObject({
      pclass: "number or null",
      port: "string or null",
    });
    expect(kinds("histogram, complete rows")).toEqual({
      ...{ age: "integer or null", fare: "number or null", member: "boolean or null" },
    });
    expect(kinds("forest, complete rows")).toEqual({
      age: "integer or null",
      fare: "number or null",
    });
  });

  test("is taken elsewhere only where it is asked for and the original takes it too", () => {
    expect(kinds("not made for gaps")).toEqual({ age: "integer", fare: "number", port: "string" });
    expect(kinds("asked for gaps")).toMatchObject({ fare: "number", port: "string or null" });
    expect(one("asked for gaps it refuses").refused).toMatch(
      /^the column fare cannot be null: the original refuses it \(ValueError: Input X contains NaN/,
    );
    expect(one("asked for gaps of nobody's").refused).toBe(
      "there is no column cabin to be nullable; there are age, fare, pclass, port, member",
    );
  });
});

test("a boolean column is a boolean", () => {
  for (const name of ["boolean passed on", "boolean encoded"])
    expect(kinds(name)["member"]).toBe("boolean");
});

test("no name of a column is in the way of an output, or of anything between", () => {
  const found = named(/^(classifier|trees|regression) of /);
  expect(found.length).toBe(18);
  for (const [name, { facts }] of [...found, ...named(/^lone input/)]) {
    const { inputs, outputs } = namesIn(name);
    expect(inputs, name).toEqual(Object.keys(facts?.columns ?? {}).sort());
    for (const output of outputs) expect(inputs, name).not.toContain(output);
  }
  expect(namesIn("regression of label").outputs).toEqual(["prediction"]);
  expect(namesIn("regression of prediction").outputs).toEqual(["prediction_2"]);
});

test("a model that would end the service when it runs is refused by its signal", () => {
  expect(one("neighbours imputed").refused).toMatch(
    /ONNX Runtime ends with SIG[A-Z]+ when it runs/,
  );
});

test("the version that made a pickle is named where it is another one", () => {
  expect(one("other version").said).toContainEqual(
    expect.stringMatching(/^note: .*made with scikit-learn 1\.3\.2 and is read by \d/),
  );
  for (const name of ["other version that cannot be read", "other version, compressed"])
    expect(one(name).refused).toMatch(
      /^old\.pkl cannot be unpickled with scikit-learn \d.*StandardSailor.*made with scikit-learn 1\.3\.2/,
    );
});

test("MLflow's folders are read, with the usual signature and either way of pickling", () => {
  for (const [name, { kept, facts }] of named(/^MLflow folder/)) {
    expect(kept, name).toHaveLength(5);
    expect(facts?.class_labels, name).toEqual(["no", "ähm"]);
  }
});

describe("an ONNX model", () => {
  test("is refused by the rules of the service, before it is registered", async () => {
    const verdicts: Record<string, boolean[]> = {};
    for (const [name, { refused }] of named(/^onnx/)) {
      if (refused?.startsWith("the sample rows")) continue;
      let serves = true;
      try {
        loaded(folder(name, "given"), () => undefined);
      } catch {
        serves = false;
      }
      // A signature that says less than there is, is mended by publishing.
      if (!name.includes("short signature")) verdicts[name] = [refused === undefined, serves];
    }
    for (const [name, [published, served]] of Object.entries(verdicts))
      expect(published, name).toBe(served);
    expect(Object.values(verdicts).filter(([published]) => !published)).toHaveLength(4);
    expect(one("onnx, sequence").refused).toBe(
      "model.onnx cannot be served: the output s is a seq(tensor(float)); answered are tensors of numbers, booleans and texts",
    );
    expect(await readdir(join(work, "onnx,-sequence"))).not.toContain("served");
  });

  test("has the names, kinds and rows that came with it", () => {
    expect(kinds("onnx of a lone text")).toEqual({ text: "string" });
    expect(namesIn("onnx of a lone text").inputs).toEqual(["text"]);
    expect(kinds("onnx with rows")).toEqual({ a: "number", b: "boolean" });
    expect(one("onnx with rows").kept).toEqual([
      { a: 1.5, b: true },
      { a: 2.5, b: false },
    ]);
    expect(one("onnx with other rows").refused).toBe("the sample rows have no column 'c'");
    expect(kinds("onnx folder")).toEqual({
      ...{ age: "integer or null", fare: "number or null" },
      ...{ member: "boolean or null", port: "string or null" },
    });
    expect(one("onnx folder").facts?.class_labels).toEqual([false, true]);
    expect(one("onnx folder").kept).toHaveLength(200);
    expect(kinds("onnx folder, short signature")).toEqual({
      ...{ age: "integer", fare: "number", member: "boolean", port: "string" },
    });
  });
});
