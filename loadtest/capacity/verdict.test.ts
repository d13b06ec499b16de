import { describe, expect, test } from "vitest";
import type { Observation, Second, Use } from "./observation.ts";
import { useOf } from "./observation.ts";
import { judge, parseSlo, type Measured } from "./slo.ts";
import { unsteady, verdictOf } from "./verdict.ts";

const use = (over: Partial<Use> = {}): Use => ({
  containers: 1,
  cpu: 0.1,
  cpuLimit: 0.25,
  throttled: 0,
  unheard: 0,
  memory: 60,
  memoryLimit: 128,
  memoryHits: 0,
  ...over,
});

const seen = (over: Partial<Observation> = {}): Observation => ({
  notReady: null,
  endedEarly: null,
  generatorLimited: null,
  users: 300,
  usersAsked: 300,
  outOfMemory: 0,
  restarts: 0,
  service: use(),
  gateway: use({ cpuLimit: 1, memoryLimit: 256 }),
  generator: use({ cpuLimit: 1, memoryLimit: 512 }),
  gatewayView: { queue: 0, errors: 0, retries: 0 },
  machine: 0.5,
  seconds: [],
  ...over,
});

const slo = parseSlo("p95<500ms,failures=0");
const measured = (p95: number, failures = 0): Measured => ({
  quantile: () => p95,
  mean: p95,
  max: p95,
  requests: 1000,
  failures,
  rps: 100,
});
const verdict = (observation: Observation, p95: number, failures = 0) =>
  verdictOf(observation, judge(slo, measured(p95, failures)));

const course = (p95: (t: number) => number, rps: (t: number) => number = () => 100): Second[] =>
  Array.from({ length: 20 }, (_, t) => ({
    t,
    users: 300,
    rps: rps(t),
    p50: 1,
    p95: p95(t),
    p99: p95(t),
    failures: 0,
  }));

describe("a trial", () => {
  test("passes when every objective is met", () => {
    expect(verdict(seen(), 400)).toMatchObject({ verdict: "pass", cause: null });
  });

  test("fails, and says which objective by how much, and that CPU was short", () => {
    const throttled = seen({ service: use({ cpu: 0.25, throttled: 0.9 }) });
    const result = verdict(throttled, 750);
    expect(result).toMatchObject({ verdict: "fail", cause: "CPU" });
    expect(result.said).toContain("p95 was 750 ms, 50% above the limit");
    expect(result.evidence).toContain("held back in 90%");
  });

  test("fails for memory when something was killed, whatever else was short", () => {
    const killed = seen({ outOfMemory: 1, restarts: 1, service: use({ throttled: 1 }) });
    expect(verdict(killed, 100, 3)).toMatchObject({ verdict: "fail", cause: "memory" });
  });

  test("fails for memory when the limit was met again and again", () => {
    const full = seen({ service: use({ memory: 127, memoryHits: 5000, throttled: 0.9 }) });
    expect(verdict(full, 900)).toMatchObject({ verdict: "fail", cause: "memory" });
  });

  test("fails when it never got ready", () => {
    expect(verdictOf(seen({ notReady: "did not get ready" }), [])).toMatchObject({
      verdict: "fail",
      margin: 1,
    });
  });

  test.each([
    ["generator", seen({ generatorLimited: "its CPU was 99% busy" })],
    ["gateway", seen({ gateway: use({ cpu: 0.98, cpuLimit: 1 }) })],
    ["machine", seen({ machine: 0.99 })],
  ] as const)("is void when the %s was the limit", (cause, observation) => {
    expect(verdict(observation, 900)).toMatchObject({ verdict: "void", cause });
  });

  test("passes on a busy machine, as less disturbance would not make it worse", () => {
    expect(verdict(seen({ machine: 0.99 }), 400).verdict).toBe("pass");
  });

  test("is the service's failure, not the machine's, when the service was out of CPU too", () => {
    const both = seen({ machine: 0.99, service: use({ throttled: 0.8 }) });
    expect(verdict(both, 900)).toMatchObject({ verdict: "fail", cause: "CPU" });
  });

  describe("on any machine, when requests waited in the gateway", () => {
    const waiting = { gatewayView: { queue: 5488, errors: 0, retries: 0 } };
    test.each([
      ["a fast one: at its quota in every period", { cpu: 0.06, throttled: 0.97 }, "CPU"],
      ["a slow one: it seldom got as far as its quota", { cpu: 0.04, throttled: 0.2 }, "CPU"],
      ["one so slow that it told nothing", { cpu: 0, throttled: 0, unheard: 0.8 }, "CPU"],
      ["one with CPU to spare: something else keeps it", { cpu: 0.02, throttled: 0 }, "queue"],
      ["one that missed a look or two", { cpu: 0.02, throttled: 0.02, unheard: 0.3 }, "queue"],
    ] as const)("%s", (_, used, cause) => {
      const observation = seen({ ...waiting, service: use({ cpuLimit: 0.06, ...used }) });
      expect(verdict(observation, 5600)).toMatchObject({ verdict: "fail", cause });
    });

    test("says nothing of a replica that others kept from its share of the machine", () => {
      const service = use({ cpuLimit: 0.06, cpu: 0.03, throttled: 0.2, unheard: 0.8 });
      expect(verdict(seen({ ...waiting, machine: 1, service }), 5600)).toMatchObject({
        verdict: "void",
        cause: "machine",
      });
    });
  });

  test("is not for want of CPU that it missed looks while nobody waited", () => {
    expect(verdict(seen({ service: use({ unheard: 0.9 }) }), 900)).toMatchObject({
      cause: "unknown",
    });
  });

  test("is void when not all users were there", () => {
    expect(verdict(seen({ users: 299 }), 100).verdict).toBe("void");
  });

  test("is unstable when latency rises though the load stays the same", () => {
    const rising = seen({ seconds: course((t) => 50 + t * 20), service: use({ throttled: 0.5 }) });
    expect(verdict(rising, 400)).toMatchObject({ verdict: "unstable", cause: "CPU" });
  });
});

test("a level course is steady, and so is one that rises far below the limit", () => {
  expect(
    unsteady(
      course(() => 200),
      500,
    ),
  ).toBeUndefined();
  expect(
    unsteady(
      course((t) => 1 + t),
      500,
    ),
  ).toBeUndefined();
});

test("fewer and fewer replies are not steady", () => {
  expect(
    unsteady(
      course(
        () => 10,
        (t) => 100 - 4 * t,
      ),
      500,
    ),
  ).toContain("replies fell");
});

test("the use of several containers is the sum of their cores, their peak memory, their share held back", () => {
  const at = (seconds: number, cpuSeconds: number, periods: number, throttled: number) => ({
    at: seconds,
    cpuSeconds,
    periods,
    throttled,
    memory: 0,
    memoryHits: 0,
  });
  const total = useOf(
    [
      [at(0, 0, 0, 0), at(10, 2, 100, 50)],
      [at(0, 5, 10, 0), at(10, 6, 110, 0)],
    ],
    { cpus: 0.25, memory: 96 },
    64 * 1024 ** 2,
  );
  expect(total).toMatchObject({ cpuLimit: 0.5, throttled: 0.25, memory: 64, containers: 2 });
  expect(total.cpu).toBeCloseTo(0.3);
});
