// That what is nested, empty or left out is what the documentation says.
import { describe, expect, it } from "vitest";
import { describedModel, testService } from "../testing.ts";

const columns = (...names: string[]) =>
  names.map((name) => ({ name, type: "double", required: false }));

describe("nested data of protocol V2", () => {
  const { post } = testService("iris");
  const infer = async (shape: number[], data: unknown) => {
    const inputs = [{ name: "input", datatype: "FP32", shape, data }];
    const { status, body } = await post("/v2/models/iris/infer", { inputs });
    return [status, (body as { error?: string }).error ?? ""];
  };

  it.each([
    [[1, 2, 3, 4, 5, 6, 7, 8]],
    [
      [
        [1, 2, 3, 4],
        [5, 6, 7, 8],
      ],
    ],
  ])("may be %j for [2, 4]", async (data) => {
    expect(await infer([2, 4], data)).toEqual([200, ""]);
  });

  it.each<[unknown, RegExp]>([
    [
      [
        [1, 2, 3, 4, 5],
        [6, 7, 8],
      ],
      /\[2, 4\].*an array of 4 must be is one of 5/,
    ],
    [[[1, 2, 3, 4, 5, 6, 7, 8]], /an array of 2 must be is one of 1/],
    [
      [
        [1, 2],
        [3, 4],
        [5, 6],
        [7, 8],
      ],
      /an array of 2 must be is one of 4/,
    ],
    [[[1, 2, 3, 4], 5, 6, 7, 8], /an array of 2 must be is one of 5/],
    [[[1, 2, 3, 4], 5], /an array of 4 must be is none/],
    [[1, 2, 3, 4, [5, 6, 7, 8]], /has 5 elements/],
    [[1, 2, 3, 4, 5, 6, 7, [8]], /at 7 an element that is not a FP32/],
    [
      [
        [[1], 2, 3, 4],
        [5, 6, 7, 8],
      ],
      /at 0 an element that is not a FP32/,
    ],
    [[[], []], /an array of 4 must be is one of 0/],
  ])("may not be %j for [2, 4]", async (data, reason) => {
    const [status, error] = await infer([2, 4], data);
    expect(error).toMatch(reason);
    expect(status).toBe(400);
  });
});

describe("arrays of a row", () => {
  it("have at least one element, as the documentation says", async () => {
    const { post } = testService("free_length");
    for (const body of [{ tokens: [] }, [{ tokens: [] }, { tokens: [] }]]) {
      const reply = await post("/predict", body);
      expect(reply.status).toBe(422);
      expect(reply.body).toMatchObject({
        detail: expect.stringMatching(/is empty; it must have at least one/) as string,
      });
    }
  });

  it("are as good as never sent where they are left out, whoever sent some before", async () => {
    const model = describedModel("nested", { inputs: columns("x") });
    const { post, app } = testService(model);
    const full = [
      [1, 2, 3],
      [4, 5, 6],
    ];
    const none = [
      [null, null, null],
      [null, null, null],
    ];
    expect((await post("/predict", [{ x: full }, { x: full }])).status).toBe(200);
    for (const row of [{}, { x: null }])
      expect((await post("/predict", row)).body).toEqual({ y: none });
    const replies = await post("/predict", [
      { x: full },
      {},
      {
        x: [
          [1, null, 3],
          [4, 5, 6],
        ],
      },
    ]);
    expect(replies.body).toEqual([
      { y: full.map((part) => part.map((value) => 2 * value)) },
      { y: none },
      {
        y: [
          [2, null, 6],
          [8, 10, 12],
        ],
      },
    ]);
    const sample = { "sample_rows.json": [{}] };
    const shown = testService(describedModel("nested", { inputs: columns("x") }, sample));
    const shownText = await (await shown.app.request("/openapi.json")).text();
    expect(shownText).toContain('"shape":[1,2,3],"data":[null,null,null,null,null,null]');
    const document = (await (await app.request("/openapi.json")).json()) as {
      components: { schemas: { Row: object } };
    };
    expect(document.components.schemas.Row).toMatchObject({
      properties: { x: { type: ["array", "null"] } },
      required: [],
    });
  });
});

describe("rows", () => {
  it("are objects, whatever their features are called", async () => {
    const names = ["0", "1", "__proto__"];
    const { post } = testService(
      describedModel("regression", { inputs: names.map((name) => ({ name, type: "double" })) }),
    );
    const good = '{"0":1,"1":2,"__proto__":3}';
    expect((await post("/predict", good)).status).toBe(200);
    for (const row of ["[1,2,3]", "[1,2]"]) {
      const { status, body } = await post("/predict", `[${good},${row}]`);
      expect([status, (body as { detail: string }).detail]).toEqual([
        422,
        "1 is an array; a row is an object with named features.",
      ]);
    }
    const missing = await post("/predict", '{"0":1,"1":2}');
    expect(missing.body).toMatchObject({ errors: [{ pointer: "/__proto__" }] });
  });

  it("are no arrays of two either", async () => {
    const inputs = ["0", "1"].map((name) => ({ name, type: "double" }));
    const { post } = testService(describedModel("two_targets", { inputs }));
    expect((await post("/predict", [[1, 2]])).status).toBe(422);
  });

  it("have no feature that is only a prototype's", async () => {
    const { post } = testService("iris");
    for (const name of ["__proto__", "constructor", "hasOwnProperty"])
      expect((await post("/predict", `{"${name}":{"sepal_length":1}}`)).body).toMatchObject({
        errors: expect.arrayContaining([
          { pointer: `/${name}`, detail: "is not a feature of the model" },
        ]) as unknown,
      });
  });
});
