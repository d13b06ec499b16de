// That a model gets what was sent, to the last digit and character, or the caller hears why not.
import { describe, expect, it } from "vitest";
import { describedModel, testService } from "../testing.ts";
import { exactJson } from "./decimal.ts";

const PLAIN = {
  in_float32: "0.5",
  in_float64: "0.5",
  in_int32: "1",
  in_int64: "1",
  in_bool: "true",
  in_string: '"x"',
};
type Input = keyof typeof PLAIN;
const DATATYPES: Readonly<Record<Input, string>> = {
  in_float32: "FP32",
  in_float64: "FP64",
  in_int32: "INT32",
  in_int64: "INT64",
  in_bool: "BOOL",
  in_string: "BYTES",
};
const { post } = testService("every_input");

/** The same value by both protocols to a model that gives back what it got: what the replies' texts say. */
async function sent(input: Input, value: string) {
  const row = { ...PLAIN, [input]: value };
  const inputs = Object.entries(row) as [Input, string][];
  const one = await post(
    "/predict",
    `{${inputs.map(([name, text]) => `"${name}":${text}`).join(",")}}`,
  );
  const tensors = inputs.map(
    ([name, text]) =>
      `{"name":"${name}","datatype":"${DATATYPES[name]}","shape":[1],"data":[${text}]}`,
  );
  const two = await post("/v2/models/every_input/infer", `{"inputs":[${tensors.join(",")}]}`);
  const output = input.replace("in_", "out_");
  return {
    statuses: [one.status, two.status],
    detail: (one.body as { detail?: string }).detail ?? "",
    error: (two.body as { error?: string }).error ?? "",
    texts: [
      new RegExp(`"${output}":([^,}]+)`).exec(await one.response.text())?.[1],
      new RegExp(`"${output}"[^[]*\\[1\\],"data":\\[([^\\]]*)\\]`).exec(
        await two.response.text(),
      )?.[1],
    ],
  };
}

describe("numbers", () => {
  it.each<[Input, string, string]>([
    ["in_int64", "9007199254740993", "9007199254740993"],
    ["in_int64", "9007199254740993.0", "9007199254740993"],
    ["in_int64", "9007199254740993e0", "9007199254740993"],
    ["in_int64", "90071992547409930e-1", "9007199254740993"],
    ["in_int64", "9.007199254740993e15", "9007199254740993"],
    ["in_int64", "-9.223372036854775808e18", "-9223372036854775808"],
    ["in_int64", "9223372036854775807", "9223372036854775807"],
    ["in_int64", "-0", "0"],
    ["in_int32", "2147483647", "2147483647"],
    ["in_int32", "-2.147483648e9", "-2147483648"],
    ["in_int32", "-0.0", "0"],
    ["in_float64", "12345678901234567890", "12345678901234567000"],
    ["in_float64", "9007199254740993", "9007199254740992"],
    ["in_float64", "0.99999999999999999999", "1"],
    ["in_float64", "1e308", "1e+308"],
    ["in_float64", "5e-324", "5e-324"],
    ["in_float64", "1e-400", "0"],
    ["in_float64", "-0", "-0"],
    ["in_float64", "-0.0", "-0"],
    ["in_float64", "-1e-400", "-0"],
    ["in_float32", "-0", "-0"],
    ["in_float32", "12345678901234567890", "12345679395506094000"],
    ["in_float32", "3.4028235e38", "3.4028234663852886e+38"],
    ["in_float32", "1e-50", "0"],
    ["in_bool", "1.0", "true"],
  ])("gives %s as %s what it can hold of it: %s", async (input, value, held) => {
    expect(await sent(input, value)).toMatchObject({ statuses: [200, 200], texts: [held, held] });
  });

  it.each<[Input, string, RegExp]>([
    ["in_int64", "9007199254740992.5", /not a whole number/],
    ["in_int64", "1.00000000000000000001", /not a whole number/],
    ["in_int64", "1e-400", /not a whole number/],
    ["in_int64", "9223372036854775808", /out of range; allowed is -9223372036854775808 to/],
    ["in_int64", "9223372036854775807.5", /not a whole number|out of range/],
    ["in_int64", "-9223372036854775809", /out of range/],
    ["in_int64", "1e400", /not a whole number|out of range/],
    ["in_int32", "2147483648", /out of range/],
    ["in_int32", "2147483647.00000000001", /not a whole number/],
    ["in_int32", "-2147483649", /out of range/],
    ["in_float32", "1e39", /out of range/],
    ["in_float32", "-3.4028236e38", /out of range/],
    ["in_float32", `1${"0".repeat(60)}`, /out of range/],
    ["in_float64", "1e400", /out of range/],
    ["in_float64", "-1e309", /out of range/],
    ["in_float64", "9".repeat(400), /out of range/],
    ["in_bool", "1.00000000000000000001", /is a number; it must be a boolean/],
    ["in_string", "9007199254740993", /is a number; it must be a string/],
  ])("refuses for %s %s", async (input, value, reason) => {
    const { statuses, detail, error } = await sent(input, value);
    expect(statuses).toEqual([422, 400]);
    expect(detail).toMatch(reason);
    expect(error).toContain(`not a ${DATATYPES[input]}: it `);
    expect(error).toMatch(reason);
  });

  it("takes no number for a row or a body", async () => {
    for (const body of ["9007199254740993", "[9007199254740993]", "[1.00000000000000000001]"]) {
      const { status, body: reply } = await post("/predict", body);
      expect([status, (reply as { detail: string }).detail]).toEqual([
        422,
        expect.stringContaining("is a number; a row is an object"),
      ]);
      const infer = await post("/v2/models/every_input/infer", body);
      expect(infer.body).toEqual({ error: "The body must be an object." });
    }
  });

  it.each([
    ["integer", "9007199254740993", "9007199254740993"],
    ["integer", "9223372036854774784", "9223372036854774784"],
    ["integer", "-0", "0"],
    ["number", "-0", "-0.0"],
    ["number", "3", "3.0"],
    ["number", "12345678901234567890", "1.2345678901234567e+19"],
    ["number", "1e16", "1e+16"],
    ["number", "1e15", "1000000000000000.0"],
    ["number", "0.00001", "1e-05"],
    ["number", "0.0001", "0.0001"],
  ])("writes as Python does for a model that reads text: %s %s", async (kind, value, text) => {
    const columns = { in_string: { kind, nullable: false } };
    const model = describedModel("every_input", { metadata: { inference_stack: { columns } } });
    const row = Object.entries({ ...PLAIN, in_string: value }).map(([k, v]) => `"${k}":${v}`);
    const { body } = await testService(model).post("/predict", `{${row.join(",")}}`);
    expect(body).toMatchObject({ out_string: text });
  });

  it.each(["integer", "number"])(
    "refuses what is beyond a %s that is read as text",
    async (kind) => {
      const columns = { in_string: { kind, nullable: false } };
      const model = describedModel("every_input", { metadata: { inference_stack: { columns } } });
      const row = Object.entries({ ...PLAIN, in_string: "1e400" }).map(([k, v]) => `"${k}":${v}`);
      const { body } = await testService(model).post("/predict", `{${row.join(",")}}`);
      expect(body).toMatchObject({ detail: expect.stringMatching(/whole|range/) as string });
    },
  );

  it("shows a model's own rows with all their digits", async () => {
    const row = Object.entries(PLAIN).map(([name, text]) => [name, JSON.parse(text) as unknown]);
    const long = { ...Object.fromEntries(row), in_int64: exactJson(9007199254740993n) } as object;
    const model = describedModel("every_input", {}, { "sample_rows.json": [long] });
    const document = await (await testService(model).app.request("/openapi.json")).text();
    // For both protocols.
    expect(document).toContain('"in_int64":9007199254740993');
    expect(document).toContain('"datatype":"INT64","shape":[1],"data":[9007199254740993]');
  });
});

describe("texts", () => {
  it.each([
    ['"admin\\u0000 or not"', /U\+0000/],
    ['"\\u0000"', /U\+0000/],
    ['"\\ud800"', /surrogate/],
    ['"a\\udc00b"', /surrogate/],
    ['"\\udc00\\ud800"', /surrogate/],
  ])("refuses %s, which the model would get as another", async (value, reason) => {
    const { statuses, detail, error } = await sent("in_string", value);
    expect(statuses).toEqual([422, 400]);
    expect(detail).toMatch(reason);
    expect(error).toMatch(reason);
  });

  it.each(['"\\ud83d\\ude00"', '"\\ufffd"', '"\ufffd"', '""', '"\\u0001\\uffff"', '"\\u2028"'])(
    "gives back %s as it is",
    async (value) => {
      const { statuses, texts } = await sent("in_string", value);
      expect(statuses).toEqual([200, 200]);
      expect(texts.map((text) => JSON.parse(text ?? "0") as unknown)).toEqual([
        JSON.parse(value),
        JSON.parse(value),
      ]);
    },
  );

  it("refuses U+0000 in V2 also where a column of numbers is read as text", async () => {
    const columns = { in_string: { kind: "number", nullable: true } };
    const model = describedModel("every_input", { metadata: { inference_stack: { columns } } });
    const inputs = Object.entries(PLAIN).map(([name, text]) => ({
      name,
      datatype: DATATYPES[name as Input],
      shape: [1],
      data: [name === "in_string" ? "1\u0000" : (JSON.parse(text) as unknown)],
    }));
    const { body } = await testService(model).post("/v2/models/every_input/infer", { inputs });
    expect(body).toMatchObject({ error: expect.stringContaining("U+0000") as string });
  });
});
