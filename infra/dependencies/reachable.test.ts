import { describe, expect, test } from "vitest";
import { judge } from "./reachable.ts";

const mlflow = { key: "mlflowUrl", url: "http://mlflow:5000" } as const;
const theirs = { name: "proyecto2_default", members: ["proyecto2_minio_1", "proyecto2_web_1"] };

describe("a host that dependencies should be on", () => {
  test("is fine when it answers", () => {
    expect(judge("dev", mlflow, undefined, theirs)).toBeUndefined();
  });

  test("is named with its network and who is there, when nothing on it has the name", () => {
    expect(judge("dev", mlflow, "ENOTFOUND", theirs)).toEqual({
      severity: "error",
      text:
        "mlflowUrl is http://mlflow:5000, but on the network proyecto2_default nothing has the name mlflow " +
        "(on it: proyecto2_minio_1, proyecto2_web_1). " +
        "Correct it: `npx pulumi config set mlflowUrl ADDRESS -s dev`.",
    });
  });

  test("may be on a network that was not named", () => {
    expect(judge("dev", mlflow, "EAI_AGAIN", undefined)?.text).toContain("set dependencyNetwork");
  });

  test("does not exist where there is no way to it", () => {
    const target = { key: "s3Url", url: "http://10.1.2.3:9000" } as const;
    expect(judge("dev", target, "EHOSTUNREACH", undefined)).toMatchObject({ severity: "error" });
  });

  test.each(["ECONNREFUSED", "ETIMEDOUT", "ECONNRESET"])(
    "that gives %s exists, and stops nobody",
    (failure) => {
      const verdict = judge("dev", mlflow, failure, undefined);
      expect(verdict?.severity).toBe("warning");
      expect(verdict?.text).toContain(failure);
    },
  );
});
