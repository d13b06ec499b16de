import { expect, it } from "vitest";
import { testService } from "../testing.ts";

const row = { feature_0: 1, feature_1: 2 };
const tensor = (rows: number, data = Array.from({ length: rows * 2 }, (_, i) => i)) => ({
  inputs: [{ name: "x", datatype: "FP32", shape: [rows, 2], data }],
});

it("answers several rows as one only to who sends them all, and says so to others", async () => {
  const { post, services } = testService("fixed_mean");
  for (const body of [row, [row], [row, row, row]]) {
    expect(await post("/predict", body)).toMatchObject({
      status: 422,
      body: {
        detail: expect.stringMatching(
          /answers 3 rows as one.*POST \/v2\/models\/fixed_mean\/infer takes 3 rows/,
        ) as string,
      },
    });
  }
  const infer = "/v2/models/fixed_mean/infer";
  for (const rows of [1, 2, 4, 6])
    expect(await post(infer, tensor(rows))).toMatchObject({
      status: 400,
      body: { error: expect.stringMatching(/3 as one, so their shape must be \[3, 2\]/) as string },
    });
  const both = await Promise.all([
    post(infer, tensor(3)),
    post(infer, tensor(3, [6, 0, 6, 0, 6, 0])),
  ]);
  expect(both.map(({ body }) => (body as { outputs: object }).outputs)).toMatchObject([
    [
      { name: "mean", shape: [], data: [2.5] },
      { name: "y", shape: [3, 2], data: [0, 2, 4, 6, 8, 10] },
    ],
    [{ data: [3] }, { data: [12, 0, 12, 0, 12, 0] }],
  ]);
  expect(services.slot.current?.batcher.queuedRows).toBe(0);
});

it("says of binary tensors that they are none of what is served", async () => {
  const { app } = testService("iris");
  const head = '{"inputs":[{"name":"input","shape":[1,4],"datatype":"FP32"}]}';
  const body = Buffer.concat([
    Buffer.from(head),
    Buffer.from(new Float32Array(4).fill(5.1).buffer),
  ]);
  for (const name of ["Inference-Header-Content-Length", "inference-header-content-length"]) {
    const response = await app.request("/v2/models/iris/infer", {
      method: "POST",
      headers: { "content-type": "application/json", [name]: String(head.length) },
      body,
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toEqual({
      error: expect.stringMatching(/sent as binary data; only JSON data is served/) as string,
    });
  }
});

it("says with every 413 how much is too much", async () => {
  const { post } = testService("iris", { maxBody: "1kB", maxRows: 3 });
  const rows = Array.from({ length: 4 }, () => ({}));
  const inputs = [
    { name: "input", datatype: "FP32", shape: [4, 4], data: Array.from({ length: 16 }, () => 1) },
  ];
  const replies = await Promise.all([
    post("/predict", rows),
    post("/predict", " ".repeat(2000)),
    post("/v2/models/iris/infer", { inputs }),
    post("/v2/models/iris/infer", " ".repeat(2000)),
  ]);
  expect(replies.map(({ status }) => status)).toEqual([413, 413, 413, 413]);
  expect(replies.map(({ body }) => body)).toMatchObject([
    { detail: "The array has 4 rows; at most 3 are allowed in one request." },
    { detail: "The body is larger than 1024 bytes, the most that is read." },
    { error: "The tensors have 4 rows; at most 3 are allowed in one request." },
    { error: "The body is larger than 1024 bytes, the most that is read." },
  ]);
});

it("tells strangers in one batch apart, whoever's row the model cannot compute", async () => {
  const { post } = testService("lookup");
  const indices = Array.from({ length: 64 }, (_, i) => (i % 20 === 7 ? 99 : i % 4));
  const replies = await Promise.all(indices.map((index) => post("/predict", { index })));
  expect(replies.map(({ status, body }) => (status === 200 ? body : status))).toEqual(
    indices.map((index) => (index === 99 ? 422 : { value: 10 + index })),
  );
});
