import { expect, test } from "vitest";
import { toldSearch } from "../told-search.ts";
import { defaultPrices } from "./price.ts";
import type { TrialRecord } from "./record.ts";
import { bestOf, toldOf } from "./tell.ts";

const axes = { cpus: [0.5, 0.25], memory: [128], replicas: [1] };
const question = {
  axes,
  slo: "p95<500ms",
  plan: { users: 100, spawnRate: 10, settle: 1, steady: 3 },
};
const options = { axes, prices: defaultPrices, repeats: 1 };

const trial = (cpus: number, verdict: "pass" | "fail", said = "p95 was 9 ms"): TrialRecord => ({
  limits: { cpus, memory: 128, replicas: 1 },
  purpose: "search",
  verdict,
  margin: verdict === "pass" ? -1 : 1,
  said,
  cause: null,
  evidence: null,
  at: 0,
  took: { up: 5, load: 10, total: 15 },
  image: "sha256:1",
  latency: verdict === "pass" ? { p50: 1, p95: 9, p99: 10, max: 11 } : null,
  rps: 100,
  requests: 1000,
  failures: 0,
  errors: {},
  seen: {
    notReady: null,
    endedEarly: null,
    generatorLimited: null,
    users: 100,
    usersAsked: 100,
    outOfMemory: 0,
    restarts: 0,
    service: null,
    gateway: null,
    generator: null,
    gatewayView: null,
    machine: null,
  },
  series: [],
});

test("a search is told as the page takes it, its best so far and the trial under way", () => {
  const now = { limits: { cpus: 0.25, memory: 128, replicas: 1 }, purpose: "search" };
  const trials = [trial(0.5, "pass")];
  const best = bestOf(options, trials);
  const told = toldOf(question, trials, now, { best, declared: null, ended: false });
  expect(toldSearch.parse(told)).toEqual(told);
  expect(told).toMatchObject({
    question: "100 users, p95<500ms",
    axes: { cpus: [0.25, 0.5] },
    best: { limits: { cpus: 0.5 }, proven: false },
    now,
    ended: false,
  });
  expect(told.trials[0]).toMatchObject({ verdict: "pass", p95: 9, rps: 100, seconds: 15 });
});

test("what decided may be long; the page is told its beginning", () => {
  const trials = [trial(0.5, "fail", "x".repeat(5000))];
  const best = bestOf(options, trials);
  const told = toldOf(question, trials, null, { best, declared: null, ended: true });
  expect(toldSearch.safeParse(told).success).toBe(true);
  expect(told.best).toBeNull();
});
