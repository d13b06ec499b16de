import { describe, expect, it } from "vitest";
import { testModel, testService } from "./testing.ts";

const SETOSA = { sepal_length: 5.1, sepal_width: 3.5, petal_length: 1.4, petal_width: 0.2 };
const features = (...values: unknown[]) =>
  Object.fromEntries(values.map((value, i) => [`feature_${i}`, value]));
const FLOWER = features(5.1, 3.5, 1.4, 0.2);

describe("POST /predict", () => {
  it("answers one row with an object and an array with an array", async () => {
    const { post } = testService("iris");
    const one = await post("/predict", SETOSA);
    expect(one).toMatchObject({
      status: 200,
      body: {
        label: 0,
        class: "setosa",
        probabilities: { setosa: expect.closeTo(0.982, 2) as number },
      },
    });
    const many = await post("/predict", [SETOSA, { ...SETOSA, petal_length: 6, petal_width: 2.2 }]);
    expect(many.body).toMatchObject([{ class: "setosa" }, { class: "virginica" }]);
    expect(one.response.headers.get("content-type")).toBe("application/json");
  });

  it.each([
    ["forest_maps", SETOSA, { label: 0, probabilities: { 0: 1, 1: 0, 2: 0 } }],
    [
      "text_labels",
      FLOWER,
      { label: "setosa", probabilities: { setosa: expect.closeTo(0.98, 1) as number } },
    ],
    [
      "text_labels_maps",
      FLOWER,
      { label: "setosa", probabilities: { setosa: expect.closeTo(0.98, 1) as number } },
    ],
    ["mlp", FLOWER, { label: 0, probabilities: { 0: expect.closeTo(0.67, 1) as number } }],
    ["regression", features(5.1, 3.5, 1.4), { variable: expect.closeTo(0.2, 1) as number }],
    [
      "two_targets",
      features(5.1, 3.5),
      { variable: [expect.closeTo(1.4, 0) as number, expect.closeTo(0.2, 0) as number] },
    ],
    ["named_inputs", { color: "blue", count: 2, weight: 1.5 }, { label: "yes" }],
    [
      "nested",
      {
        x: [
          [1, 2, 3],
          [4, 5, 6],
        ],
      },
      {
        y: [
          [2, 4, 6],
          [8, 10, 12],
        ],
      },
    ],
    [
      "nested",
      {
        x: [
          [3e38, -3e38, 1e38],
          [0, -0, 1],
        ],
      },
      {
        y: [
          [null, null, expect.any(Number)],
          [0, 0, 2],
        ],
      },
    ],
    ["free_length", { tokens: [1, 2, 3, 4] }, { total: 10 }],
    ["whole_run", features(1, 3), { mean: 2 }],
    ["fixed_one", features(1, 2, 3), { y: [2, 4, 6] }],
    ["fixed_three", features(1, 2), { y: [2, 4] }],
    ["lookup", { index: 2 }, { value: 12 }],
    ["optional", { a: 1 }, { missing: [false, true], y: [1, null] }],
    ["optional", { a: 1, b: null }, { missing: [false, true], y: [1, null] }],
    [
      "every_input",
      {
        in_float32: 0.1,
        in_float64: 0.1,
        in_int32: -3,
        in_int64: 5,
        in_bool: true,
        in_string: "ä",
      },
      {
        out_float32: 0.1,
        out_float64: 0.1,
        out_int32: -3,
        out_int64: 5,
        out_bool: true,
        out_string: "ä",
      },
    ],
    [
      "every_output",
      { x: 7 },
      {
        as_float16: 7,
        as_float32: 7,
        as_float64: 7,
        as_int8: 7,
        as_int16: 7,
        as_int32: 7,
        as_int64: 7,
        as_uint8: 7,
        as_uint16: 7,
        as_uint32: 7,
        as_uint64: 7,
        as_bool: true,
        as_string: "7",
      },
    ],
  ])("serves the model %s", async (name, row, expected) => {
    const { post } = testService(name);
    expect(await post("/predict", row)).toMatchObject({ status: 200, body: expected });
    expect((await post("/predict", [row, row, row, row])).body).toMatchObject([
      expected,
      expected,
      expected,
      expected,
    ]);
  });

  it("keeps 64-bit integers exact", async () => {
    const { post } = testService("every_output");
    const { response } = await post("/predict", '{"x": 9007199254740993}');
    expect(await response.text()).toContain('"as_int64":9007199254740993');
    expect((await post("/predict", '{"x": 9223372036854775808}')).status).toBe(422);
    expect((await post("/predict", '{"x": -9223372036854775808}')).status).toBe(200);
  });

  it("names every field that is wrong", async () => {
    const { post } = testService("iris");
    const wrong = { sepal_length: "5", sepal_width: null, petal_length: 1e39, extra: 1 };
    const { status, body, response } = await post("/predict", wrong);
    expect(status).toBe(422);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(body).toMatchObject({ type: "about:blank", title: "Invalid input", status: 422 });
    expect((body as { errors: object[] }).errors).toEqual([
      { pointer: "/extra", detail: "is not a feature of the model" },
      { pointer: "/sepal_length", detail: "is a string; it must be a number" },
      {
        pointer: "/sepal_width",
        detail:
          'is null; it must be a number; null is allowed where the model\'s signature has "required": false',
      },
      { pointer: "/petal_length", detail: expect.stringContaining("out of range") as string },
      { pointer: "/petal_width", detail: "is missing; it must be a number" },
    ]);
    const inArray = await post("/predict", [SETOSA, { ...SETOSA, sepal_width: true }]);
    expect(inArray.body).toMatchObject({ errors: [{ pointer: "/1/sepal_width" }] });
  });

  it.each([
    ["a half for an integer", "every_output", { x: 1.5 }, "is not a whole number"],
    ["true for a number", "iris", { ...SETOSA, petal_width: true }, "is a boolean"],
    ["a short array", "nested", { x: [[1, 2, 3]] }, "has 1 elements; it must have 2"],
    ["a scalar for an array", "nested", { x: 1 }, "it must be an array"],
    [
      "a number for a text",
      "named_inputs",
      { color: 1, count: 1, weight: 1 },
      "is a number; it must be a string",
    ],
    ["an inherited name", "iris", { toString: 1 }, "is not a feature"],
    ["null for a row", "iris", "null", "a row is an object"],
    ["an empty array", "iris", [], "at least one row"],
    [
      "rows of different lengths",
      "free_length",
      [{ tokens: [1] }, { tokens: [1, 2] }],
      "it must have 1",
    ],
    ["a huge exponent", "every_input", '{"in_float64": 1e999}', "out of range"],
  ])("refuses %s with 422", async (_, model, body, detail) => {
    const reply = await testService(model).post("/predict", body);
    expect(reply.status).toBe(422);
    expect(JSON.stringify(reply.body)).toContain(detail);
  });

  it.each([
    ["NaN"],
    ['{"sepal_length": NaN}'],
    ["{"],
    [""],
    ["{'a': 1}"],
    [Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d])],
    ["\u0000"],
  ])("refuses the malformed body %j with 400", async (body) => {
    expect(await testService("iris").post("/predict", body)).toMatchObject({
      status: 400,
      body: { title: "Bad request" },
    });
  });

  it("refuses a body that is too large, by its header or as it comes, and too many rows", async () => {
    const { app, post } = testService("iris", { maxBody: "1kB", maxRows: 3 });
    expect((await post("/predict", " ".repeat(2000))).status).toBe(413);
    const parts = new ReadableStream({
      start(controller) {
        for (let i = 0; i < 20; i++) controller.enqueue(new TextEncoder().encode(" ".repeat(100)));
        controller.close();
      },
    });
    const init = {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: parts,
      duplex: "half",
    };
    expect((await app.request("/predict", init as RequestInit)).status).toBe(413);
    expect((await post("/predict", [1, 2, 3, 4])).status).toBe(413);
  });

  it("refuses another media type or an encoded body with 415", async () => {
    const { app } = testService("iris");
    const send = (headers: Record<string, string>) =>
      app.request("/predict", { method: "POST", headers, body: "{}" });
    expect((await send({ "content-type": "text/plain" })).status).toBe(415);
    expect(
      (await send({ "content-type": "application/json", "content-encoding": "gzip" })).status,
    ).toBe(415);
    expect((await send({ "content-type": "application/vnd.api+json; charset=utf-8" })).status).toBe(
      422,
    );
  });

  it("answers 422 to a row that the model itself refuses, and its neighbours in the batch get theirs", async () => {
    const { post } = testService("lookup");
    const replies = await Promise.all(
      [{ index: 0 }, { index: 99 }, { index: 3 }].map((row) => post("/predict", row)),
    );
    expect(replies.map(({ status }) => status)).toEqual([200, 422, 200]);
    expect(replies[2]?.body).toEqual({ value: 13 });
    expect(JSON.stringify(replies[1]?.body)).not.toMatch(/onnxruntime|\.cc/);
  });

  it("says 503 with Retry-After while there is no model, and when the wait is too long", async () => {
    const none = await testService().post("/predict", SETOSA);
    expect(none.status).toBe(503);
    expect(none.response.headers.get("retry-after")).toBe("1");
    const { post } = testService("iris", { maxQueuedRows: 2 });
    const replies = await Promise.all(Array.from({ length: 6 }, () => post("/predict", SETOSA)));
    const refused = replies.filter(({ status }) => status === 503);
    expect(refused.length).toBeGreaterThan(0);
    expect(refused[0]?.response.headers.get("retry-after")).toMatch(/^\d+$/);
    expect(replies.some(({ status }) => status === 200)).toBe(true);
  });
});

describe("routes", () => {
  it("answers unknown routes 404, wrong methods 405 with Allow, all as problem details", async () => {
    const { app } = testService("iris");
    const nowhere = await app.request("/nope");
    expect([nowhere.status, nowhere.headers.get("content-type")]).toEqual([
      404,
      "application/problem+json",
    ]);
    const get = await app.request("/predict");
    expect([get.status, get.headers.get("allow")]).toEqual([405, "POST"]);
    const put = await app.request("/healthz", { method: "PUT" });
    expect([put.status, put.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  });

  it("is alive from the start, ready with a model, and not while draining", async () => {
    const { app, services } = testService();
    const status = async (path: string) => (await app.request(path)).status;
    expect([
      await status("/healthz"),
      await status("/readyz"),
      await status("/v2/health/ready"),
    ]).toEqual([200, 503, 503]);
    services.slot.put(testModel("iris"));
    expect([
      await status("/readyz"),
      await status("/v2/health/ready"),
      await status("/v2/models/iris/ready"),
    ]).toEqual([200, 200, 200]);
    services.state.draining = true;
    expect([
      await status("/healthz"),
      await status("/readyz"),
      await status("/v2/health/ready"),
    ]).toEqual([200, 503, 503]);
  });

  it("echoes a sane request id and makes one up otherwise", async () => {
    const { app } = testService("iris");
    const id = async (given?: string) =>
      (
        await app.request(
          "/healthz",
          given === undefined ? {} : { headers: { "x-request-id": given } },
        )
      ).headers.get("x-request-id");
    expect(await id("abc-123")).toBe("abc-123");
    expect(await id("has space")).not.toBe("has space");
    expect(await id()).not.toBe(await id());
  });

  it("serves the documentation page and its files by itself", async () => {
    const { app } = testService("iris");
    const page = await (await app.request("/docs")).text();
    for (const [, file] of page.matchAll(/(?:src|href)="([^"]+)"/g)) {
      expect((await app.request(`/${file ?? ""}`)).status).toBe(200);
    }
    expect(page).not.toMatch(/https?:/);
    expect((await app.request("/docs/../settings.ts")).status).toBe(404);
    expect((await app.request("/docs/package.json")).status).toBe(404);
  });

  it("describes in OpenAPI examples that work, for every model", async () => {
    for (const name of [
      "iris",
      "named_inputs",
      "nested",
      "free_length",
      "every_input",
      "optional",
    ]) {
      const { app, post } = testService(name);
      const document = (await (await app.request("/openapi.json")).json()) as {
        openapi: string;
        paths: Record<
          string,
          {
            post?: {
              requestBody: {
                content: {
                  "application/json": {
                    examples?: Record<string, { value: unknown }>;
                    example?: unknown;
                  };
                };
              };
            };
          }
        >;
      };
      expect(document.openapi).toBe("3.1.0");
      const { examples = {} } =
        document.paths["/predict"]?.post?.requestBody.content["application/json"] ?? {};
      for (const { value } of Object.values(examples))
        expect((await post("/predict", value)).status).toBe(200);
      const infer = `/v2/models/${name}/infer`;
      expect(
        (
          await post(
            infer,
            document.paths[infer]?.post?.requestBody.content["application/json"].example,
          )
        ).status,
      ).toBe(200);
    }
  });

  it("tells which model it serves and which it served, and swaps without losing a request", async () => {
    const { app, services, post } = testService("iris");
    const pending: ReturnType<typeof post>[] = [];
    for (let i = 0; i < 50; i++) {
      pending.push(post("/predict", SETOSA));
      await new Promise((resolve) => setTimeout(resolve, i % 3));
      if (i % 10 === 5) services.slot.put(testModel("iris"));
    }
    const statuses = (await Promise.all(pending)).map(({ status }) => status);
    expect(statuses).toEqual(statuses.map(() => 200));
    services.slot.put(testModel("regression"));
    expect(await (await app.request("/model")).json()).toMatchObject({
      name: "regression",
      digest: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      history: Array.from({ length: 6 }, () => expect.objectContaining({ name: "iris" }) as object),
    });
    expect((await post("/predict", features(1, 2, 3))).status).toBe(200);
  });

  it("exposes metrics by route and status, with batches and their reasons", async () => {
    const { app, post, services } = testService("iris");
    await post("/predict", SETOSA);
    await post("/predict", "{");
    await app.request("/nope");
    const text = await services.metrics.registry.metrics();
    for (const line of [
      'http_requests_total{route="/predict",status="200"} 1',
      'http_requests_total{route="/predict",status="400"} 1',
      'http_requests_total{route="unmatched",status="404"} 1',
      'inference_batches_total{reason="all_waiting"} 1',
      'inference_batch_rows_bucket{le="1"} 1',
      "inference_queue_duration_seconds_count 1",
      "inference_compute_duration_seconds_count 1",
      "inference_queue_rows 0",
      'inference_rejections_total{reason="deadline"} 0',
      "inference_limit_cpus 1",
      "nodejs_eventloop_lag_p99_seconds",
      'inference_model_info{name="iris"',
    ]) {
      expect(text).toContain(line);
    }
  });
});

describe("Open Inference Protocol V2", () => {
  const tensor = {
    name: "input",
    shape: [2, 4],
    datatype: "FP32",
    data: [5.1, 3.5, 1.4, 0.2, 6.7, 3, 5.2, 2.3],
  };
  const infer = "/v2/models/iris/infer";

  it("describes server and model", async () => {
    const { app } = testService("iris");
    const json = async (path: string) => (await app.request(path)).json();
    expect(await json("/v2")).toMatchObject({ name: "inference-stack", extensions: [] });
    expect(await json("/v2/models/iris/versions/1")).toEqual({
      name: "iris",
      versions: ["1"],
      platform: "onnxruntime_onnx",
      inputs: [{ name: "input", datatype: "FP32", shape: [-1, 4] }],
      outputs: [
        { name: "label", datatype: "INT64", shape: [-1] },
        { name: "probabilities", datatype: "FP32", shape: [-1, 3] },
      ],
    });
  });

  it("infers from flat and nested data, echoes the id and returns only the outputs asked for", async () => {
    const { post } = testService("iris");
    const all = await post(infer, { id: "7", inputs: [tensor] });
    expect(all.body).toMatchObject({
      id: "7",
      model_name: "iris",
      model_version: "1",
      outputs: [
        { name: "label", datatype: "INT64", shape: [2], data: [0, 2] },
        { name: "probabilities", shape: [2, 3] },
      ],
    });
    const nested = [
      [5.1, 3.5, 1.4, 0.2],
      [6.7, 3, 5.2, 2.3],
    ];
    const some = await post(infer, {
      inputs: [{ ...tensor, data: nested }],
      outputs: [{ name: "label" }],
    });
    expect(some.body).toEqual({
      model_name: "iris",
      model_version: "1",
      outputs: [{ name: "label", datatype: "INT64", shape: [2], data: [0, 2] }],
    });
  });

  it("carries every type, in batches larger than a run", async () => {
    const { post } = testService("every_input", { maxBatchRows: 2 });
    const inputs = [
      { name: "in_float32", datatype: "FP32", data: [1.5, 2, 3, 4, 5] },
      { name: "in_float64", datatype: "FP64", data: [1.5, 2, 3, 4, 5] },
      { name: "in_int32", datatype: "INT32", data: [1, 2, 3, 4, 5] },
      { name: "in_int64", datatype: "INT64", data: [1, 2, 3, 4, 5] },
      { name: "in_bool", datatype: "BOOL", data: [true, false, true, false, true] },
      { name: "in_string", datatype: "BYTES", data: ["a", "b", "c", "d", "e"] },
    ].map((input) => ({ ...input, shape: [5] }));
    const { body } = await post("/v2/models/every_input/infer", { inputs });
    expect((body as { outputs: object[] }).outputs).toEqual(
      inputs.map((input) => ({ ...input, name: input.name.replace("in", "out") })),
    );
  });

  it("keeps the model's own shapes where rows are not independent", async () => {
    const { post } = testService("whole_run");
    const { body } = await post("/v2/models/whole_run/infer", {
      inputs: [{ name: "x", shape: [3, 2], datatype: "FP32", data: [1, 2, 3, 4, 5, 9] }],
    });
    expect(body).toMatchObject({ outputs: [{ name: "mean", shape: [], data: [4] }] });
  });

  it.each([
    ["another name", { inputs: [{ ...tensor, name: "x" }] }, 'no input "x"'],
    ["another datatype", { inputs: [{ ...tensor, datatype: "FP64" }] }, "must be FP32"],
    ["another width", { inputs: [{ ...tensor, shape: [4, 2] }] }, "must be [any, 4]"],
    [
      "a shape that is only a claim",
      { inputs: [{ ...tensor, shape: [1e9, 4] }] },
      "has 8 elements",
    ],
    ["a text", { inputs: [{ ...tensor, data: ["a", 1, 1, 1, 1, 1, 1, 1] }] }, "not a FP32"],
    [
      "binary data",
      {
        inputs: [
          { name: "input", shape: [2, 4], datatype: "FP32", parameters: { binary_data_size: 32 } },
        ],
      },
      "only JSON",
    ],
    ["an unknown output", { inputs: [tensor], outputs: [{ name: "z" }] }, 'no output "z"'],
    ["the same input twice", { inputs: [tensor, tensor] }, "twice"],
    ["no inputs", {}, '"inputs" must be an array'],
    ["a numeric id", { id: 1, inputs: [tensor] }, '"id" must be a string'],
    ["malformed JSON", "{", "not valid JSON"],
  ])("refuses %s with 400 in its own error shape", async (_, body, message) => {
    const reply = await testService("iris").post(infer, body);
    expect(reply).toMatchObject({
      status: 400,
      body: { error: expect.stringContaining(message) as string },
    });
  });

  it("answers 404 for another model or version, and 405, in its own error shape", async () => {
    const { app, post } = testService("iris");
    expect(await post("/v2/models/other/infer", {})).toMatchObject({
      status: 404,
      body: { error: expect.any(String) as string },
    });
    expect((await post("/v2/models/iris/versions/2/infer", {})).status).toBe(404);
    expect(await (await app.request(infer)).json()).toHaveProperty("error");
  });
});
