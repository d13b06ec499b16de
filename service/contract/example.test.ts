import { describe, expect, it } from "vitest";
import { firstExample } from "./example.ts";
import type { Field } from "./types.ts";

const fields = ["a", "b"].map((name) => ({ name }) as Field);

describe("input example", () => {
  it.each([
    [
      {
        dataframe_split: {
          columns: ["a", "b"],
          data: [
            [1, 2],
            [3, 4],
          ],
        },
      },
      { a: 1, b: 2 },
    ],
    [
      {
        inputs: [
          [1, 2],
          [3, 4],
        ],
      },
      { a: 1, b: 2 },
    ],
    [{ inputs: { a: [1, 3], b: ["x", "y"] } }, { a: 1, b: "x" }],
    [{ inputs: [[1, 2, 3]] }, undefined],
    [{ other: 1 }, undefined],
    [[], undefined],
  ])("reads the first row of %j", (example, row) => {
    expect(firstExample(JSON.stringify(example), fields)).toEqual(row);
  });

  it("ignores what is no JSON", () => {
    expect(firstExample("{", fields)).toBeUndefined();
  });
});
