import { describe, expect, test } from "vitest";
import type { InspectedTask } from "../../infra/status-swarm.ts";
import type { Tick } from "../events.ts";
import { replica } from "../ui/sample.ts";
import { memoryKills, replicasUse, workersUse } from "./told-use.ts";
import { taskLosses } from "./watch-swarm.ts";

const limits = { cpus: 0.2, memory: 128 };
const tick = (over: Partial<Tick>): Tick => ({ at: 0, replicas: [], workers: [], ...over }) as Tick;
const mebibyte = 1024 ** 2;

describe("what replicas on any node used, as they told the load test", () => {
  const ticks = [
    tick({
      replicas: [
        replica("a", { cpu: null, throttled: null, memory: 50 * mebibyte, memoryHits: 5 }),
        replica("b", { cpu: 0.1, throttled: 0.2, memory: 60 * mebibyte, memoryHits: 0 }),
      ],
    }),
    // One that is starved misses a second.
    tick({ replicas: [replica("a", { cpu: 0.2, throttled: 0.6, memory: 70 * mebibyte })] }),
    tick({
      replicas: [
        replica("a", { cpu: 0.1, throttled: 0.4, memory: 60 * mebibyte, memoryHits: 9 }),
        replica("b", { cpu: 0.1, throttled: 0.4, memory: 60 * mebibyte, memoryHits: 0 }),
      ],
    }),
  ];

  test("is the sum of their means, the peak of one, and the rise of their counters", () => {
    const use = replicasUse(ticks, limits, 2);
    expect(use?.cpu).toBeCloseTo(0.15 + 0.1);
    expect(use?.throttled).toBeCloseTo(0.4);
    expect(use).toMatchObject({
      containers: 2,
      cpuLimit: 0.4,
      memory: 70,
      memoryLimit: 128,
      memoryHits: 4,
    });
  });

  test("counts once what is told again while the next look waits for its answer", () => {
    const idle = replica("a", { cpu: 0.001, throttled: 0.01 });
    const starved = replica("a", { cpu: 0.03, throttled: 0.99 });
    const use = replicasUse(
      [idle, idle, idle, starved].map((one) => tick({ replicas: [{ ...one }] })),
      limits,
      1,
    );
    expect(use?.throttled).toBeCloseTo(0.5);
    expect(use?.unheard).toBeCloseTo(0.5);
  });

  describe("from a moment on", () => {
    const idle = ["gone", "a", "b"].map((name) => replica(name, { cpu: 0, throttled: 0 }));
    const before = tick({ at: 1, replicas: idle });
    const under = [0.2, 0.19].map((cpu, i) =>
      tick({ at: 2 + i, replicas: [replica("a", { cpu, throttled: 0.9 })] }),
    );

    test("has those that speak, and knows that others do not", () => {
      expect(replicasUse([before, ...under], limits, 2, 2)).toMatchObject({
        ...{ containers: 1, cpuLimit: 0.2, throttled: 0.9, unheard: 0.5 },
      });
    });

    test("has nobody where all of them are silent by then", () => {
      const silent = [2, 3, 4].map((at) => tick({ at }));
      expect(replicasUse([before, ...silent], limits, 2, 2)).toMatchObject({ cpu: 0, unheard: 1 });
    });
  });

  test("is nothing where nobody told", () => {
    expect(replicasUse([tick({})], limits, 2)).toBeNull();
    expect(workersUse([tick({})], limits)).toBeNull();
  });

  test("has the processes that were killed for want of memory", () => {
    const killed = [0, 0, 2].map((memoryKills) =>
      tick({ replicas: [replica("a", { memoryKills })] }),
    );
    expect(memoryKills(killed)).toBe(2);
    expect(memoryKills(ticks), "nobody says").toBe(0);
  });

  test("and workers say it too", () => {
    const worker = (id: string, cpu: number) =>
      ({ id, state: "running", users: 1, cpu, lagMs: 0, memory: 90 * mebibyte }) as const;
    const use = workersUse(
      [
        tick({ workers: [worker("x", 0.4), worker("y", 0.2)] }),
        tick({ workers: [worker("x", 0.6)] }),
      ],
      { cpus: 1, memory: 512 },
    );
    expect(use).toMatchObject({ containers: 2, cpuLimit: 2, memory: 90 });
    expect(use?.cpu).toBeCloseTo(0.7);
  });
});

test("a task that Swarm had to make anew tells of one that ended, its exit code of memory", () => {
  const task = (ID: string, State: string, Err = ""): InspectedTask => ({
    ID,
    ServiceID: "s",
    DesiredState: State === "running" ? "running" : "shutdown",
    Status: { State, Timestamp: "", Err },
  });
  const first = new Set(["one", "two"]);
  const alive = [task("one", "running"), task("two", "running")];
  expect(taskLosses(first, alive)).toEqual({ ended: 0, outOfMemory: 0 });
  const after = [
    task("one", "failed", "task: non-zero exit (137)"),
    task("three", "starting"),
    task("two", "running"),
  ];
  expect(taskLosses(first, after)).toEqual({ ended: 1, outOfMemory: 1 });
});
