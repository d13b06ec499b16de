import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Command, WorkerReport } from "./engine/host.ts";
import { emptyView, fold, type RunEvent, type RunView } from "./events.ts";
import { counts } from "./fake-events.ts";
import { parseFlags } from "./flags.ts";
import { Run, type WorkerPort } from "./run.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

interface Worker extends WorkerPort {
  told: Command[];
  /** The last number of users it was told to have. */
  users: () => number | undefined;
}

function setup(args: string[], names = ["a", "b"]) {
  const view: RunView = emptyView();
  const events: RunEvent[] = [];
  const run = new Run({
    id: "r",
    host: "http://x",
    request: parseFlags(args).request,
    scenarioName: "s",
    stack: null,
    scenario: {
      kind: "requests",
      tasks: [{ name: "/x", weight: 1, method: "POST", path: "/x", headers: {}, bodies: [] }],
    },
    emit: (event) => {
      events.push(event);
      fold(view, event);
    },
  });
  const worker = (id: string): Worker => {
    const told: Command[] = [];
    return {
      id,
      told,
      tell: (command) => told.push(command),
      users: () => told.filter((one) => one.type === "users").at(-1)?.users,
    };
  };
  const workers = names.map(worker);
  const ready = (one: Worker): void => {
    run.reported(one.id, { type: "planned", run: "r", tasks: [] });
  };
  const report = (one: Worker, more: Partial<WorkerReport> = {}): void => {
    run.reported(one.id, {
      type: "report",
      run: "r",
      users: one.users() ?? 0,
      seconds: 1,
      counts: [counts("/x", [1, 2])],
      thrown: [],
      cpu: 0.2,
      lag: { counts: [], sum: 0, min: 0, max: 0 },
      dropped: 0,
      memory: 1,
      final: false,
      interrupted: 0,
      ...more,
    });
  };
  run.start(workers);
  return { run, view, events, workers, worker, ready, report };
}

test("the load begins once every worker is ready, in shares that add up", () => {
  const { workers, ready, view } = setup(["-u", "101", "-r", "10"]);
  ready(workers[0]!);
  expect(workers[0]!.users()).toBeUndefined();
  ready(workers[1]!);
  expect(workers.map((one) => one.users())).toEqual([51, 50]);
  expect(view.started?.users).toBe(101);
});

test("a lost worker's users go to the others, and the result says so", () => {
  const { run, view, workers, ready, report } = setup(["-u", "100", "-r", "10"]);
  workers.forEach(ready);
  workers.forEach((one) => {
    report(one);
  });
  run.lost("b");
  expect(workers[0]!.users()).toBe(100);
  run.stop("stopped");
  report(workers[0]!, { final: true });
  expect(view.ended?.notes).toEqual([expect.stringContaining("worker b was lost with 50 users")]);
  expect(view.last?.total.requests).toBe(6);
  expect(view.last?.workers.find(({ id }) => id === "b")?.state).toBe("missing");
});

test("a worker that joins gets its share; the others give theirs up", () => {
  const { run, workers, worker, ready } = setup(["-u", "90", "-r", "10"]);
  workers.forEach(ready);
  const late = worker("c");
  run.join(late);
  expect(late.told[0]!.type).toBe("start");
  expect([...workers, late].map((one) => one.users())).toEqual([30, 30, 30]);
});

test("steps follow one another and the run ends with the last", () => {
  const { run, workers, ready } = setup(["-u", "10:5s,20:5s", "-r", "100"], ["a"]);
  ready(workers[0]!);
  expect(workers[0]!.users()).toBe(10);
  vi.advanceTimersByTime(5000);
  expect(workers[0]!.users()).toBe(20);
  vi.advanceTimersByTime(5000);
  expect(workers[0]!.told.at(-1)).toEqual({ type: "stop", graceMs: 10_000 });
  expect(run.state).toBe("stopping");
});

test("editing replaces the steps that were to come", () => {
  const { run, workers, ready, view } = setup(["-u", "10:5s,20:5s"], ["a"]);
  ready(workers[0]!);
  run.edit(7, 3);
  vi.advanceTimersByTime(6000);
  expect(workers[0]!.users()).toBe(7);
  expect(view.started).toMatchObject({ users: 7, spawnRate: 3 });
});

test("a rate is shared, and spreading it anew does not restart its ramp", () => {
  const { run, workers, worker, ready } = setup(["--rate", "0-100:10s"], ["a"]);
  ready(workers[0]!);
  expect(workers[0]!.told.at(-1)).toEqual({ type: "rate", from: 0, to: 100, seconds: 10 });
  vi.advanceTimersByTime(4000);
  run.join(worker("b"));
  expect(workers[0]!.told.at(-1)).toEqual({ type: "rate", from: 20, to: 50, seconds: 6 });
});

const rates = (events: readonly RunEvent[]): number[] =>
  events.flatMap((event) => (event.type === "tick" ? [event.total.rps] : []));

test("a second is whole when every worker has reported it, late or not: the rate does not jump", () => {
  const { events, workers, ready, report } = setup(["-u", "2"]);
  const [a, b] = workers as [Worker, Worker];
  workers.forEach(ready);
  // Each second brings four requests; the second worker is late by up to 0.9 s, now and then.
  for (const late of [0, 900, 0, 300, 900, 100, 0, 0]) {
    vi.advanceTimersByTime(1000 - late);
    report(a, { seconds: 1 });
    vi.advanceTimersByTime(late);
    report(b, { seconds: 1 });
  }
  expect(rates(events)).toEqual(Array<number>(8).fill(4));
});

test("counts collected in more than a second are a rate all the same", () => {
  const { events, workers, ready, report } = setup(["-u", "2"], ["a"]);
  ready(workers[0]!);
  vi.advanceTimersByTime(1250);
  report(workers[0]!, { seconds: 1.25 });
  vi.advanceTimersByTime(750);
  report(workers[0]!, { seconds: 0.8 });
  expect(rates(events)).toEqual([1.6, 2.5]);
});

test("a worker that says nothing does not hold up the others' numbers", () => {
  const { events, workers, ready, report } = setup(["-u", "2"]);
  workers.forEach(ready);
  for (let second = 0; second < 6; second += 1) {
    vi.advanceTimersByTime(1000);
    report(workers[0]!);
  }
  expect(rates(events).length).toBeGreaterThanOrEqual(4);
  expect(new Set(rates(events))).toEqual(new Set([2]));
});

test("a lost worker is not waited for", () => {
  const { run, events, workers, ready, report } = setup(["-u", "2"]);
  workers.forEach(ready);
  vi.advanceTimersByTime(1000);
  report(workers[0]!);
  expect(rates(events)).toEqual([]);
  run.lost("b");
  expect(rates(events)).toEqual([2]);
});

test("warm-up is left out of the statistics", () => {
  const { run, view, workers, ready, report } = setup(["-u", "1", "--warm-up", "2s"], ["a"]);
  ready(workers[0]!);
  report(workers[0]!);
  vi.advanceTimersByTime(2000);
  expect(workers[0]!.told.at(-1)).toEqual({ type: "reset" });
  run.stop("stopped");
  report(workers[0]!, { final: true, counts: [counts("/x", [9])] });
  expect(view.last?.total).toMatchObject({ requests: 1, min: 9 });
});

test("a crossed threshold with !abort stops the run", () => {
  const { run, workers, ready, report, view } = setup(
    ["-u", "1", "--threshold", "failures=0 !abort"],
    ["a"],
  );
  ready(workers[0]!);
  report(workers[0]!, { counts: [counts("/x", [1], 1)] });
  vi.advanceTimersByTime(1200);
  expect(run.state).toBe("stopping");
  report(workers[0]!, { final: true, counts: [] });
  expect(view.ended).toMatchObject({
    reason: "threshold failures=0 was crossed",
    thresholds: [{ ok: false }],
  });
});

test("a generator that is the limit for a good part of the run is told of", () => {
  const { run, workers, ready, report, view } = setup(["-u", "1"], ["a"]);
  ready(workers[0]!);
  for (let second = 0; second < 10; second += 1) {
    report(workers[0]!, { cpu: second < 3 ? 0.97 : 0.4 });
    vi.advanceTimersByTime(1150);
  }
  run.stop("stopped");
  report(workers[0]!, { final: true });
  expect(view.ended?.limited).toContain("over 90% busy in 3 of");
});

test("one busy second does not make a run about the generator", () => {
  const { run, workers, ready, report, view } = setup(["-u", "1"], ["a"]);
  ready(workers[0]!);
  for (let second = 0; second < 10; second += 1) {
    report(workers[0]!, { cpu: second === 4 ? 0.97 : 0.4 });
    vi.advanceTimersByTime(1000);
  }
  run.stop("stopped");
  report(workers[0]!, { final: true });
  expect(view.ended?.limited).toBeNull();
});

test("running out of ports or descriptors is always the generator's fault", () => {
  const { run, workers, ready, report, view } = setup(["-u", "1"], ["a"]);
  ready(workers[0]!);
  report(workers[0]!, { counts: [counts("/x", [1], 1, "generator out of local ports")] });
  run.stop("stopped");
  report(workers[0]!, { final: true });
  expect(view.ended?.limited).toBe("the generator ran out of local ports");
});

test("a worker that never answers a stop does not keep the run from ending", () => {
  const { run, workers, ready, view } = setup(["-u", "1", "-s", "2s"], ["a"]);
  ready(workers[0]!);
  run.stop("stopped");
  vi.advanceTimersByTime(7100);
  expect(run.state).toBe("stopped");
  expect(view.ended?.notes[0]).toContain("was lost");
});
