import { describe, expect, test } from "vitest";
import { judge } from "./wanted.ts";

const mine = { name: "mine", alias: "production", stack: "dev" };
const iris = { ...mine, name: "iris" };

describe("the model that a stack is to serve", () => {
  test("is served where its alias points at a version", () => {
    expect(judge(mine, ["candidate", "production"])).toBe("served");
    expect(judge(iris, ["production"])).toBe("served");
  });

  test("is the demonstration under its own name alone", () => {
    expect(judge(iris, undefined)).toBe("demonstration");
    expect(judge(mine, undefined)).toEqual({
      refused:
        "there is no registered model mine in this stack's MLflow yet: " +
        "publish it with `npm run model -- publish <file> --name mine -s dev` " +
        "or bring a backup back with `npm run model -- import <file> -s dev`, " +
        "then run `npx pulumi up -s dev` again",
    });
  });

  test("needs its alias", () => {
    expect(judge({ ...mine, alias: "blue" }, ["production"])).toEqual({
      refused:
        "no version of the registered model mine has the alias blue: " +
        "give it to one with `npm run model -- promote <version> --name mine --alias blue -s dev`, " +
        "then run `npx pulumi up -s dev` again",
    });
  });
});
