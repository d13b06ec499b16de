import { expect, test } from "vitest";
import { describeLoad, share } from "./load.ts";
import { parseFlags } from "./flags.ts";
import { parseSwarm } from "./server/app.ts";
import { parseDuration, UserError } from "./units.ts";

const request = (...args: string[]) => parseFlags(args).request;

test("Locust's flags mean what they mean there", () => {
  const flags = parseFlags([
    "--headless",
    "-u",
    "100",
    "-r",
    "20",
    "-t",
    "1m30s",
    "-H",
    "http://127.0.0.1:8000/x",
    "--csv",
    "out/a",
    "--html",
    "a.html",
    "--json-file",
    "a",
    "--exit-code-on-error",
    "3",
    "--expect-workers",
    "2",
    "-s",
    "5",
    "--reset-stats",
    "--only-summary",
    "-L",
    "INFO",
  ]);
  expect(flags.request).toMatchObject({
    host: "http://127.0.0.1:8000",
    load: { kind: "users", stages: [{ users: 100, seconds: null }], spawnRate: 20 },
    runTime: 90,
    stopTimeout: 5,
    expectWorkers: 2,
    resetStats: true,
  });
  expect(flags.outputs).toMatchObject({
    csv: "out/a",
    html: "a.html",
    jsonFile: "a",
    exitCodeOnError: 3,
  });
});

test("steps and rates carry their durations, and the run lasts as long", () => {
  expect(request("-u", "100:1m,500:2m")).toMatchObject({
    load: {
      stages: [
        { users: 100, seconds: 60 },
        { users: 500, seconds: 120 },
      ],
    },
    runTime: 180,
  });
  const ramp = request("--rate", "0-1000:30s,1000:1m");
  expect(ramp).toMatchObject({
    load: {
      kind: "rate",
      stages: [
        { from: 0, to: 1000, seconds: 30 },
        { from: 1000, to: 1000, seconds: 60 },
      ],
    },
    runTime: 90,
  });
  expect(describeLoad(ramp.load)).toBe(
    "0 to 1000 requests/s within 30 s, then 1000 requests/s for 60 s",
  );
  expect(request("--rate", "500").runTime).toBeNull();
});

test("think times of every kind are read", () => {
  expect(request("--think-time", "0.5").thinkTime).toEqual({ kind: "constant", seconds: 0.5 });
  expect(request("--think-time", "1-3").thinkTime).toEqual({ kind: "uniform", min: 1, max: 3 });
  expect(request("--think-time", "exp:2").thinkTime).toEqual({ kind: "exponential", mean: 2 });
  expect(request("--think-time", "pace:2").thinkTime).toEqual({ kind: "pacing", seconds: 2 });
});

test.each([
  [["-u", "many"], '--users is "many"; give a whole number from 0 to 1000000.'],
  [["-u", "100,200"], "give one number, or steps with their durations"],
  [["-u", "5", "--rate", "5"], "Give --users or --rate, not both."],
  [["--rate", "0-10"], "a ramp needs a duration"],
  [["-t", "soon"], '--run-time is "soon"; give a duration such as 30s'],
  [["-H", "example"], '--host is "example"; give a URL'],
  [["--think-time", "3-1"], "the second number must not be the smaller"],
  [["--threshold", "p95"], 'The threshold "p95" is not understood'],
  [["--usres", "5"], "npm run loadtest -- --help"],
  [["--path", "predict"], "give a path such as /predict"],
])("%j is refused in words", (args, words) => {
  expect(() => parseFlags(args)).toThrow(UserError);
  expect(() => parseFlags(args)).toThrow(words);
});

test("the start form says the same under its own names", () => {
  expect(
    parseSwarm({
      user_count: 50,
      spawn_rate: "10",
      run_time: "",
      threshold: "p95<500ms,failures=0",
      user_classes: ["x"],
    }),
  ).toMatchObject({
    load: { stages: [{ users: 50, seconds: null }], spawnRate: 10 },
    runTime: null,
    thresholds: ["p95<500ms", "failures=0"],
  });
  expect(parseSwarm({ user_count: "9", rate: "100" }).load.kind).toBe("rate");
  expect(() => parseSwarm({ user_count: "-1" })).toThrow("user_count is");
});

test("durations add up", () => {
  expect(parseDuration("1h30m", "x")).toBe(5400);
  expect(parseDuration("500ms", "x")).toBe(0.5);
  expect(() => parseDuration("1m x", "x")).toThrow(UserError);
});

test("shares of a whole differ by one at most and add up", () => {
  for (const [whole, count] of [
    [10, 3],
    [2, 5],
    [0, 4],
    [10_000, 7],
  ] as const) {
    const shares = Array.from({ length: count }, (_, i) => share(whole, i, count));
    expect(shares.reduce((a, b) => a + b, 0)).toBe(whole);
    expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
  }
});
