import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { UserError } from "../../infra/errors.ts";
import { root } from "../../toolchain/clone.mjs";
import { parseGatewayCounters } from "./gateway-watch.ts";
import { countersOf } from "./engine-watch.ts";
import { notRunnable } from "./machine.ts";
import { parseMatrix, readMatrix } from "./matrix.ts";
import { hopeless, loadTime, warmUp } from "./plan.ts";
import { parseCapacityFlags, questionText } from "./question.ts";
import { parseSlo } from "./slo.ts";
import { withLimits } from "./stack-under-trial.ts";
import { requestOf } from "./trial.ts";

describe("the command line", () => {
  test("says what is asked in the stack's own units", () => {
    const flags = parseCapacityFlags(
      "--users 10000 --spawn-rate 500 --cpus 0.5,0.25 --memory 1GB,96MB --budget 30m".split(" "),
    );
    expect(flags.axes).toMatchObject({ cpus: [0.25, 0.5], memory: [96, 1024] });
    expect(flags.budget).toBe(1800);
    expect(loadTime(flags.plan)).toBe(60);
  });

  test.each([
    ["--cpus 0,1", "--cpus"],
    ["--memory 96", "--memory"],
    ["--replicas 1.5", "--replicas"],
    ["--users many", "--users"],
    ["--slo fast", "objective"],
    ["--budget soon", "--budget"],
    ["--nonsense", "--nonsense"],
  ])("refuses %s and names it", (text, named) => {
    expect(() => parseCapacityFlags(text.split(" "))).toThrow(UserError);
    expect(() => parseCapacityFlags(text.split(" "))).toThrow(named);
  });

  test("the budget does not make it another question; the objectives do", () => {
    const question = (text: string) => questionText(parseCapacityFlags(text.split(" ")));
    expect(question("--users 10 --budget 5m")).toBe(question("--users 10"));
    expect(question("--users 10 --slo p95<1s")).not.toBe(question("--users 10"));
  });

  test("other rows are another question; without any it is the one it was", () => {
    const flags = parseCapacityFlags(["--users", "10", "--data", "rows.ndjson"]);
    expect(flags.data).toBe("rows.ndjson");
    const asked = (bodies: string[]) => questionText(flags, { name: "rows.ndjson", bodies });
    expect(asked(["1"])).toBe(asked(["1"]));
    expect(asked(["1"])).not.toBe(asked(["2"]));
    expect(questionText(flags)).toBe(questionText(parseCapacityFlags(["--users", "10"])));
    const own = { name: "rows.ndjson", bodies: ["1"] };
    expect(requestOf(flags.plan, own)).toMatchObject({ rows: own, load: { kind: "users" } });
  });
});

describe("a declared table", () => {
  const files = globSync(join(root, "docs/experiments/*.yaml"));

  test("those in the repository can be read", () => {
    expect(files.length).toBeGreaterThan(0);
    for (const file of files) expect(readMatrix(file).runs.length).toBeGreaterThan(1);
  });

  test("a mistake in one is named", () => {
    const table = "name: x\nusers: 1\nspawnRate: 1\nslo: failures=0\nruns: [{cpu: 1, memory: 1GB}]";
    expect(() => parseMatrix("t.yaml", table)).toThrow(/t\.yaml[\s\S]*cpu/);
  });

  test("what is larger than the machine is told apart, never scaled", () => {
    const machine = [{ cpus: 2, memory: 4096 }];
    expect(notRunnable({ cpus: 2, memory: 512, replicas: 1 }, machine)).toBeUndefined();
    expect(notRunnable({ cpus: 1, memory: 512, replicas: 3 }, machine)).toContain("3 CPU in all");
    expect(notRunnable({ cpus: 1, memory: 5120, replicas: 1 }, machine)).toContain("5120MB in all");
    const swarm = [...machine, ...machine];
    expect(notRunnable({ cpus: 0.1, memory: 64, replicas: 40 }, swarm)).toBeUndefined();
    expect(notRunnable({ cpus: 1.5, memory: 64, replicas: 2 }, swarm)).toBeUndefined();
    expect(notRunnable({ cpus: 1.5, memory: 64, replicas: 3 }, swarm)).toContain("Swarm's nodes");
  });
});

describe("a load in vain is ended", () => {
  const slo = parseSlo("p95<100ms,failures<10");
  const plan = { users: 100, spawnRate: 10, settle: 5, steady: 30 };
  const tick = (over: object) => ({
    total: {
      ...{ method: "", name: "", requests: 0, failures: 0, bytes: 0, mean: 0, min: 0, max: 0 },
      ...{ quantiles: [], recent: [], rps: 50, failuresPerSecond: 0, p50: 10, p95: 50, p99: 60 },
      ...over,
    },
  });
  const ticks = (n: number, over: (i: number) => object) =>
    Array.from({ length: n }, (_, i) => tick(over(i)));

  test("as soon as more failed than may, counting those before the measured part", () => {
    expect(hopeless(slo, plan, [tick({ failures: 5 })])).toBeUndefined();
    expect(hopeless(slo, plan, [tick({ failures: 5 })], 6)).toContain("11 requests failed");
  });

  test("when latency stays above twice its limit, but not while it gets better", () => {
    expect(
      hopeless(
        slo,
        plan,
        ticks(4, () => ({ p95: 900 })),
      ),
    ).toBeUndefined();
    expect(
      hopeless(
        slo,
        plan,
        ticks(5, () => ({ p95: 900 })),
      ),
    ).toContain("p95");
    expect(
      hopeless(
        slo,
        plan,
        ticks(5, (i) => ({ p95: 900 - 100 * i })),
      ),
    ).toBeUndefined();
  });

  test("when more users come and no more are answered, before the wait itself is too long", () => {
    const many = { users: 10_000, spawnRate: 500, settle: 5, steady: 30 };
    const stuck = (rps: number, p95: number, n = 10) =>
      hopeless(
        parseSlo("p95<500ms"),
        many,
        ticks(n, (i) => ({ rps: rps + i, p95: p95 + 10 * i })),
      );
    // 10,000 users at 4,000 replies a second: 2.5 s each, 1 of them to think.
    expect(stuck(4000, 300)).toMatch(/4009 replies a second mean 149\d ms/);
    expect(stuck(4000, 300, 9), "code is being compiled still").toBeUndefined();
    expect(stuck(4000, 100), "nobody waits yet").toBeUndefined();
    expect(stuck(8000, 300), "which may fail, but nearly holds").toBeUndefined();
    const rising = ticks(10, (i) => ({ rps: 1000 + 500 * i, p95: 300 }));
    expect(hopeless(parseSlo("p95<500ms"), many, rising), "still warming up").toBeUndefined();
  });

  test("when nothing is answered", () => {
    expect(
      hopeless(
        slo,
        plan,
        ticks(5, () => ({ rps: 0 })),
      ),
    ).toContain("no reply");
  });

  test("and what is measured begins after all users are there and have settled", () => {
    expect(warmUp(plan)).toBe(15);
  });
});

test("other limits change nothing else of a settings file", () => {
  const text = readFileSync(join(root, "Pulumi.dev.yaml"), "utf8");
  const changed = withLimits(text, { cpus: 0.25, memory: 96, replicas: 2 });
  expect(changed).toContain('inference-stack:cpus: "0.25"');
  expect(changed).toContain("inference-stack:memory: 96MB");
  expect(changed.split("\n").filter((line) => line.startsWith("#"))).toEqual(
    text.split("\n").filter((line) => line.startsWith("#")),
  );
});

test("the engine's counters leave out file pages that can be dropped, and containers that are gone", () => {
  expect(
    countersOf({
      read: "2026-01-01T00:00:01.5Z",
      cpu_stats: {
        cpu_usage: { total_usage: 2e9 },
        throttling_data: { periods: 10, throttled_periods: 4 },
      },
      memory_stats: { usage: 100, failcnt: 3, stats: { total_inactive_file: 40 } },
    }),
  ).toMatchObject({ cpuSeconds: 2, periods: 10, throttled: 4, memory: 60, memoryHits: 3 });
  expect(countersOf({ read: "", cpu_stats: {}, memory_stats: {} })).toBeUndefined();
});

test("the gateway's counters are those of its own front and of all replicas together", () => {
  const csv =
    "# pxname,svname,qcur,hrsp_5xx,wretr,wredis,act,\napi,FRONTEND,,2,,,,\n" +
    "replicas,replica1,5,1,1,0,1,\nreplicas,BACKEND,7,1,3,1,2,\nstatus,FRONTEND,,9,,,,\n";
  expect(parseGatewayCounters(csv)).toEqual({ waiting: 7, errors: 2, retries: 4, healthy: 2 });
});
