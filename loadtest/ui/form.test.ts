import { describe, expect, test } from "vitest";
import { fieldsOf, nextDefaults, parseThink, swarmBody, thinkText } from "./form.ts";

const body = (fields: Record<string, string>): Record<string, string> =>
  Object.fromEntries(swarmBody(fieldsOf(Object.entries(fields))));

describe("the start form", () => {
  test.each(["1", "1-3", "exp:1.5", "pace:2"])("think time %s survives the form", (text) => {
    expect(thinkText(parseThink(text))).toBe(text);
  });

  test("users are sent with their ramp and think time", () => {
    expect(
      body({
        load: "users",
        user_count: " 1000 ",
        spawn_rate: "100",
        host: "http://gateway:8000",
        run_time: "2m",
        think_kind: "uniform",
        think_seconds: "1",
        think_to: "3",
      }),
    ).toEqual({
      user_count: "1000",
      spawn_rate: "100",
      host: "http://gateway:8000",
      run_time: "2m",
      think_time: "1-3",
    });
  });

  test("an arrival rate is sent instead of users", () => {
    expect(body({ load: "rate", rate: "0-1000:2m", user_count: "5", think_seconds: "1" })).toEqual({
      rate: "0-1000:2m",
    });
  });

  test("thresholds are one a line in the form, between commas to the master", () => {
    expect(body({ load: "users", threshold: "p95<500ms\n\n failures<1% \n" })["threshold"]).toBe(
      "p95<500ms,failures<1%",
    );
  });

  test("an emptied run time is said, so that a default cannot come back", () => {
    expect(body({ load: "users", run_time: "" })).toEqual({ run_time: "" });
  });

  test("begins with what was sent last, users kept aside while a rate is loaded", () => {
    const before = {
      user_count: "100",
      spawn_rate: "10",
      host: "http://a",
      run_time: "",
      think_time: "1",
      rate: "",
      timeout: "30s",
      warm_up: "5s",
      path: "/predict",
      threshold: "",
    };
    const sent = new URLSearchParams({ rate: "500", host: "http://a", run_time: "1m", path: "/p" });
    expect(nextDefaults(before, sent)).toEqual({
      ...before,
      rate: "500",
      run_time: "1m",
      timeout: "",
      warm_up: "",
      path: "/p",
    });
  });
});
