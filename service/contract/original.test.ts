// What a conversion remembers of the original, through the service: rows in, replies out, both protocols.
import { expect, it } from "vitest";
import { describedModel, testModel, testService } from "../testing.ts";
import type { FieldKind } from "./types.ts";

const of = (kind: FieldKind, nullable = false) => ({ kind, nullable });
const remembering = (columns: object, class_labels?: unknown[]) => ({
  metadata: { inference_stack: { columns, class_labels } },
});

const DATATYPES = {
  float32: "FP32",
  float64: "FP64",
  int32: "INT32",
  int64: "INT64",
  bool: "BOOL",
  string: "BYTES",
};
type Type = keyof typeof DATATYPES;
const TYPES = Object.keys(DATATYPES) as Type[];
const plain: Record<string, unknown> = {
  in_float32: 0.5,
  in_float64: 0.5,
  in_int32: 1,
  in_int64: 1,
  in_bool: true,
  in_string: "x",
};

/** A model that gives back what its tensors got, with one of its inputs read as `kind`. */
const echo = (type: Type, kind: FieldKind, nullable = false) =>
  testService(describedModel("every_input", remembering({ [`in_${type}`]: of(kind, nullable) })))
    .post;

it.each<[Type, FieldKind, unknown, unknown]>([
  ["float64", "boolean", true, 1],
  ["float64", "boolean", false, 0],
  ["float32", "boolean", 1, 1],
  ["int64", "boolean", true, 1],
  ["int32", "boolean", false, 0],
  ["bool", "boolean", true, true],
  ["bool", "boolean", 0, false],
  ["string", "boolean", true, "True"],
  ["float64", "integer", 3, 3],
  ["float32", "integer", 3, 3],
  ["string", "integer", 3, "3"],
  ["string", "number", 3, "3.0"],
  ["string", "number", 0.5, "0.5"],
  ["float64", "datetime", "2020-01-31T12:00:00", 1580472000000000000],
  ["int64", "datetime", "1970-01-01T00:00:00.000000001", 1],
  ["int64", "datetime", "1970-01-02", 86400000000000],
  ["int64", "datetime", 86400000000000, 86400000000000],
  ["string", "datetime", "2020-01-31", "2020-01-31"],
])("writes into a tensor of %s, as a %s, %j as %j", async (type, kind, value, got) => {
  const { status, body } = await echo(type, kind)("/predict", { ...plain, [`in_${type}`]: value });
  expect(body).toMatchObject({ [`out_${type}`]: got });
  expect(status).toBe(200);
});

it.each<[Type, FieldKind, unknown, RegExp]>([
  ["float64", "boolean", 2, /a number; it must be a boolean/],
  ["float64", "boolean", "true", /a string; it must be a boolean/],
  ["float64", "integer", 1.5, /not a whole number/],
  ["float64", "integer", true, /a boolean; it must be an integer/],
  ["float64", "number", true, /a boolean; it must be a number/],
  ["float64", "number", "1", /a string; it must be a number/],
  ["string", "string", 1, /a number; it must be a string/],
  ["float64", "datetime", "2020-01-31T12:00:00Z", /time zone/],
  ["float64", "datetime", "31.1.2020", /no date or time.*2020-01-31/],
  ["float64", "datetime", "2999-01-01", /out of range/],
  ["float64", "datetime", true, /a boolean; it must be a date or a time/],
  ["string", "datetime", 7, /a number; it must be a date or a time/],
  ["float64", "number", null, /is null; it must be a number/],
])("refuses for a tensor of %s, as a %s, %j", async (type, kind, value, reason) => {
  const { status, body } = await echo(type, kind)("/predict", { ...plain, [`in_${type}`]: value });
  expect((body as { detail: string }).detail).toMatch(reason);
  expect(status).toBe(422);
});

it.each<[Type, FieldKind, unknown]>([
  ["float64", "number", null],
  ["float32", "number", null],
  ["float64", "integer", null],
  ["float64", "boolean", null],
  ["float64", "datetime", null],
  ["string", "string", ""],
  ["string", "boolean", ""],
])("takes null and absence in a nullable %s read as a %s", async (type, kind, got) => {
  const post = echo(type, kind, true);
  const name = `in_${type}`;
  const absent = Object.fromEntries(Object.entries(plain).filter(([key]) => key !== name));
  for (const row of [{ ...plain, [name]: null }, absent]) {
    const { status, body } = await post("/predict", row);
    expect(body).toMatchObject({ [`out_${type}`]: got });
    expect(status).toBe(200);
  }
});

it.each<[Type, FieldKind]>([
  ["int64", "integer"],
  ["int32", "boolean"],
  ["int64", "datetime"],
  ["bool", "boolean"],
])("says that a tensor of %s, read as a %s, has nothing for a gap", async (type, kind) => {
  const post = echo(type, kind, true);
  const { status, body } = await post("/predict", { ...plain, [`in_${type}`]: null });
  expect((body as { detail: string }).detail).toMatch(`reads it as ${type}, which has no missing`);
  expect(status).toBe(422);
});

it("has V2 take what /predict takes, and refuse what it refuses", async () => {
  const values = [null, true, 0, 1, 2, 1.5, -1e19, "x", "2020-01-31", 86400000000000];
  const kinds: FieldKind[] = ["number", "integer", "boolean", "string", "datetime"];
  const fitting = (type: Type, kind: FieldKind): boolean =>
    ({
      float32: kind !== "string",
      float64: kind !== "string",
      int32: kind === "integer" || kind === "boolean",
      int64: kind !== "string" && kind !== "number",
      bool: kind === "boolean",
      string: kind === "string" || kind === "datetime",
    })[type];
  // What only one of the two can say: a tensor of numbers has no text or truth in V2.
  const sayable = (type: Type, value: unknown): boolean =>
    value === null ||
    (type === "string" ? typeof value === "string" : type === "bool" || typeof value === "number");
  let compared = 0;
  for (const type of TYPES) {
    for (const kind of kinds.filter((each) => fitting(type, each))) {
      for (const nullable of [false, true]) {
        const post = echo(type, kind, nullable);
        for (const value of values.filter((each) => sayable(type, each))) {
          const row = { ...plain, [`in_${type}`]: value };
          const inputs = TYPES.map((each) => ({
            name: `in_${each}`,
            datatype: DATATYPES[each],
            shape: [1],
            data: [row[`in_${each}` as keyof typeof row]],
          }));
          const [one, two] = [
            await post("/predict", row),
            await post("/v2/models/every_input/infer", { inputs }),
          ];
          const what = `${String(value)} for ${type} as ${kind}, nullable: ${nullable}`;
          expect([what, two.status]).toEqual([what, one.status === 422 ? 400 : one.status]);
          compared++;
          if (one.status !== 200) continue;
          const outputs = (two.body as { outputs: { name: string; data: unknown[] }[] }).outputs;
          expect(Object.fromEntries(outputs.map(({ name, data }) => [name, data[0]]))).toEqual(
            one.body,
          );
        }
      }
    }
  }
  expect(compared).toBeGreaterThan(150);
});

it("has V2 take null for the columns of a table that do, and for no other", async () => {
  const { post } = testService("optional");
  const infer = (data: unknown) =>
    post("/v2/models/optional/infer", {
      inputs: [{ name: "x", datatype: "FP32", shape: [2, 2], data }],
    });
  const { body } = await infer([1, null, 2, 3]);
  expect(body).toMatchObject({ outputs: [{ data: [false, true, false, false] }, {}] });
  const refused = await infer([1, 2, null, 3]);
  expect(refused).toMatchObject({
    status: 400,
    body: { error: expect.stringMatching(/"x" has at 2 an element that is not a FP32/) as string },
  });
  const token = '{"inputs":[{"name":"x","datatype":"FP32","shape":[1,2],"data":[1,NaN]}]}';
  expect((await post("/v2/models/optional/infer", token)).status).toBe(400);
});

const ROW = { feature_0: 3, feature_1: 1, feature_2: 0 };
const probabilities = (body: unknown): string[] =>
  Object.keys((body as { probabilities: object }).probabilities).toSorted();

it.each<[model: string, label: unknown, keys: string[]]>([
  ["gathered_labels", "no", ["no", "yes", "ähm"]],
  ["cast_labels", 5, ["5", "7", "9"]],
  ["labels_in_a_row", "no", ["no", "yes", "ähm"]],
  ["placed_labels", 0, ["0", "1", "2"]],
])("finds the classes of %s in its graph alone", async (model, label, keys) => {
  const { post } = testService(model);
  const { body } = await post("/predict", [ROW, { ...ROW, feature_2: 9 }]);
  const [first, second] = body as { label: unknown }[];
  expect(first?.label).toBe(label);
  expect(probabilities(first)).toEqual(keys);
  expect(String(second?.label)).toBe(keys[2]);
});

it.each<[labels: unknown[], model: string]>([
  [[false, true, "maybe"], "placed_labels"],
  [[1, 2, 4], "placed_labels"],
  [["a", "b", "c"], "placed_labels"],
  [[10, 20, 30], "cast_labels"],
  [["x", "y", "z"], "gathered_labels"],
])("answers the original's labels %j", async (labels, model) => {
  const { post } = testService(describedModel(model, remembering({}, labels)));
  const answers = await Promise.all(
    labels.map(async (_, i) => (await post("/predict", { ...ROW, [`feature_${i}`]: 9 })).body),
  );
  expect(answers.map((body) => (body as { label: unknown }).label)).toEqual(labels);
  expect(probabilities(answers[0])).toEqual(labels.map(String).toSorted());
});

it("knows boolean labels, however the graph has them", async () => {
  const model = describedModel("one_probability", remembering({}, [false, true]));
  const { post } = testService(model);
  const { body } = await post("/predict", [{ x: 9 }, { x: -9 }]);
  expect(body).toMatchObject([
    { label: true, probabilities: { true: expect.any(Number) as number } },
    { label: false },
  ]);
});

it("calls a single probability that of the second class", async () => {
  const { post } = testService("one_probability");
  const { body } = await post("/predict", { x: 0 });
  expect(body).toEqual({ label: 0, probabilities: { 1: 0.5 } });
});

it("adds names to labels that are no texts, whatever numbers they are", async () => {
  const named = { metadata: { class_names: ["A", "B", "C"] } };
  const { post } = testService(describedModel("cast_labels", named));
  const { body } = await post("/predict", { ...ROW, feature_1: 9 });
  expect(body).toMatchObject({
    label: 7,
    class: "B",
    probabilities: { B: expect.any(Number) as number },
  });
});

it("does not call distances probabilities", async () => {
  const { post } = testService("clusters");
  expect((await post("/predict", ROW)).body).toEqual({ label: 2, scores: [3, 1, 0] });
});

const unnamed = (dtype: string) => [{ type: "tensor", "tensor-spec": { dtype, shape: [-1] } }];

it("answers labels alone where the signature has nothing else", async () => {
  const { post } = testService(describedModel("gathered_labels", { outputs: unnamed("object") }));
  expect((await post("/predict", ROW)).body).toEqual({ label: "no" });
  const tensors = await post("/v2/models/gathered_labels/infer", {
    inputs: [{ name: "x", datatype: "FP32", shape: [1, 3], data: [3, 1, 0] }],
  });
  expect((tensors.body as { outputs: unknown[] }).outputs).toHaveLength(1);
});

it("keeps the probabilities of what was converted here, whatever the signature has", async () => {
  const model = describedModel("gathered_labels", {
    outputs: unnamed("object"),
    ...remembering({}, ["no", "yes", "ähm"]),
  });
  const { post } = testService(model);
  expect(probabilities((await post("/predict", ROW)).body)).toEqual(["no", "yes", "ähm"]);
});

it("serves a lone text under its own name", async () => {
  const { post } = testService("lone_text");
  expect((await post("/predict", { text: "hello" })).body).toEqual({ same: "hello" });
});

it("documents what it takes and gives, with rows that came with the model", async () => {
  const rows = [plain, { ...plain, in_float64: "2020-01-31" }];
  const columns = { in_float64: of("datetime", true), in_float32: of("boolean") };
  const model = describedModel("every_input", remembering(columns), {
    "sample_rows.json": rows.map((row) => ({ ...row, in_float32: true })),
  });
  const { app } = testService(model);
  const document = (await (await app.request("/openapi.json")).json()) as {
    paths: { "/predict": { post: { requestBody: { content: Record<string, unknown> } } } };
    components: { schemas: { Row: { examples: unknown; properties: object } } };
  };
  const { Row } = document.components.schemas;
  const [, valid] = rows;
  // The first has a number for a time that is none.
  expect(Row.examples).toEqual([{ ...valid, in_float32: true }]);
  expect(Row.properties).toMatchObject({
    in_float64: { type: ["string", "null"] },
    in_float32: { type: ["boolean", "integer"], minimum: 0, maximum: 1 },
  });
  const { content } = document.paths["/predict"].post.requestBody;
  expect(content["application/json"]).toMatchObject({
    examples: { one: { value: { in_float64: "2020-01-31" } } },
  });
  const infer = await (await app.request("/openapi.json")).text();
  expect(infer).toContain("1580428800000000000");
});

it("makes up no rows that it would call the model's own", async () => {
  const { app } = testService("regression");
  const document = (await (await app.request("/openapi.json")).json()) as {
    components: { schemas: { Row: object } };
  };
  expect(document.components.schemas.Row).not.toHaveProperty("examples");
});

it("answers what its documentation says, for every kind of label", async () => {
  const models = [
    describedModel("one_probability", remembering({}, [false, true])),
    describedModel("gathered_labels", { outputs: unnamed("object") }),
    describedModel("cast_labels", { metadata: { class_names: ["A", "B", "C"] } }),
    testModel("placed_labels"),
    testModel("clusters"),
  ];
  for (const model of models) {
    const { app, post } = testService(model);
    const { body } = await post("/predict", model.contract.example);
    const document = (await (await app.request("/openapi.json")).json()) as {
      components: { schemas: { Result: { required: string[]; properties: object } } };
    };
    const { required, properties } = document.components.schemas.Result;
    expect(Object.keys(body as object)).toEqual(required);
    expect(Object.keys(properties)).toEqual(required);
  }
});
