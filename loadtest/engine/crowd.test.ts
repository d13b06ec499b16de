import { expect, test } from "vitest";
import { Crowd } from "./crowd.ts";
import { FakeTime, fakeWork } from "./fake-line.ts";

test("users come evenly within each second, not in one batch a second", () => {
  const time = new FakeTime();
  const { work } = fakeWork(time, () => ({ afterMs: 5 }));
  const crowd = new Crowd(work);
  crowd.setTarget(500, 250);
  const seen: number[] = [];
  time.advance(2000, (now) => {
    crowd.turn(now);
    if (now % 100 === 0) seen.push(crowd.users);
  });
  const steps = seen.map((users, i) => users - (seen[i - 1] ?? 0));
  expect(Math.max(...steps)).toBeLessThanOrEqual(26);
  expect(Math.min(...steps)).toBeGreaterThanOrEqual(24);
  expect(crowd.users).toBe(500);
});

test("constant(1) waits a second after the reply: each user sends every 1 + response seconds", () => {
  const time = new FakeTime();
  const { work, sent } = fakeWork(time, () => ({ afterMs: 250 }));
  const crowd = new Crowd(work);
  crowd.setTarget(1, 1);
  time.advance(6000, (now) => {
    crowd.turn(now);
  });
  const gaps = sent.slice(1).map((at, i) => at - sent[i]!);
  expect(gaps).toEqual([1250, 1250, 1250, 1250]);
  const counts = work.meters[0]!.take();
  expect(counts.requests).toBe(5);
  expect(counts.latency.max).toBe(250_000);
});

test("pacing sends at its pace however long replies take", () => {
  const time = new FakeTime();
  const { work, sent } = fakeWork(time, () => ({ afterMs: 250 }), {
    thinkTime: { kind: "pacing", seconds: 1 },
  });
  const crowd = new Crowd(work);
  crowd.setTarget(1, 1);
  time.advance(4100, (now) => {
    crowd.turn(now);
  });
  expect(sent.slice(1).map((at, i) => at - sent[i]!)).toEqual([1000, 1000, 1000, 1000]);
});

test("without think time the next request follows the reply at once", () => {
  const time = new FakeTime();
  const { work, sent } = fakeWork(time, () => ({ afterMs: 10 }), {
    thinkTime: { kind: "constant", seconds: 0 },
  });
  const crowd = new Crowd(work);
  crowd.setTarget(2, 10_000);
  time.advance(1001, (now) => {
    crowd.turn(now);
  });
  expect(sent.length).toBeGreaterThanOrEqual(200);
});

test("a failing server is not asked in a tight loop", () => {
  const time = new FakeTime();
  const { work, sent } = fakeWork(time, () => ({ afterMs: 0, failure: "connection refused" }), {
    thinkTime: { kind: "constant", seconds: 0 },
  });
  const crowd = new Crowd(work);
  crowd.setTarget(1, 1);
  time.advance(1000, (now) => {
    crowd.turn(now);
  });
  expect(sent.length).toBeLessThanOrEqual(1000);
  const counts = work.meters[0]!.take();
  expect(counts.failures).toBe(counts.requests);
  expect(counts.errors).toMatchObject([{ error: "connection refused" }]);
});

test("a reply that never comes is a timeout, counted once, and the user goes on", () => {
  const time = new FakeTime();
  const { work, sent } = fakeWork(time, (_, i) => (i === 0 ? null : { afterMs: 1 }), {
    timeoutMs: 2000,
  });
  const crowd = new Crowd(work);
  crowd.setTarget(1, 1);
  time.advance(4000, (now) => {
    crowd.turn(now);
    crowd.sweep(now);
  });
  expect(work.meters[0]!.take().errors).toMatchObject([
    { error: "timed out after 2000 ms", count: 1 },
  ]);
  expect(sent.length).toBe(2);
});

test("a bad status and a failed check are failures with their own words", () => {
  const time = new FakeTime();
  const bad = fakeWork(time, () => ({ afterMs: 1, status: 422 }));
  const checked = fakeWork(time, () => ({ afterMs: 1 }), {
    task: { check: (reply) => (reply.body() === "ok" ? "body is only ok" : undefined) },
  });
  for (const [{ work }, error] of [
    [bad, "status 422"],
    [checked, "body is only ok"],
  ] as const) {
    const crowd = new Crowd(work);
    crowd.setTarget(1, 1);
    time.advance(10, (now) => {
      crowd.turn(now);
    });
    expect(work.meters[0]!.take().errors).toMatchObject([{ error, count: 1 }]);
  }
});

test("what the server says with a status is kept of its first refusal, for the whole run", () => {
  const time = new FakeTime();
  const { work } = fakeWork(time, (_, i) => ({
    afterMs: 1,
    status: i % 2 === 0 ? 422 : 503,
    body: i === 1 ? "" : JSON.stringify({ title: "Invalid input", detail: `row ${i}` }),
  }));
  const crowd = new Crowd(work);
  crowd.setTarget(1, 1);
  const take = (): unknown => {
    time.advance(4004, (now) => {
      crowd.turn(now);
    });
    return work.meters[0]!.take().errors;
  };
  const kinds = [
    { error: "status 422", said: "Invalid input: row 0", count: 2 },
    { error: "status 503", said: "Invalid input: row 3", count: 2 },
  ];
  expect(take()).toMatchObject(kinds);
  expect(take()).toMatchObject(kinds);
});

test("what a scenario throws is an exception, not a request", () => {
  const time = new FakeTime();
  const { work, sent } = fakeWork(time, () => ({ afterMs: 1 }), {
    task: {
      next: () => {
        throw new Error("no more rows");
      },
    },
  });
  const crowd = new Crowd(work);
  crowd.setTarget(1, 1);
  time.advance(2500, (now) => {
    crowd.turn(now);
  });
  expect(sent).toEqual([]);
  expect([...work.thrown.values()]).toMatchObject([{ message: "no more rows", count: 3 }]);
});

test("stopping sends nothing new and lets what is under way end", () => {
  const time = new FakeTime();
  const { work, sent } = fakeWork(time, () => ({ afterMs: 300 }));
  const crowd = new Crowd(work);
  crowd.setTarget(10, 10_000);
  time.advance(100, (now) => {
    crowd.turn(now);
  });
  crowd.stop();
  expect(work.busy).toBe(10);
  time.advance(3000, (now) => {
    crowd.turn(now);
  });
  expect(work.busy).toBe(0);
  expect(sent.length).toBe(10);
  expect(work.meters[0]!.take().requests).toBe(10);
});

test("fewer users: those who leave finish their request, and it is counted", () => {
  const time = new FakeTime();
  const { work } = fakeWork(time, () => ({ afterMs: 50 }), {
    thinkTime: { kind: "constant", seconds: 0 },
  });
  const crowd = new Crowd(work);
  crowd.setTarget(10, 10_000);
  time.advance(20, (now) => {
    crowd.turn(now);
  });
  crowd.setTarget(4, 10_000);
  time.advance(20, (now) => {
    crowd.turn(now);
  });
  expect(crowd.users).toBe(4);
  expect(work.busy).toBe(10);
  time.advance(100, (now) => {
    crowd.turn(now);
  });
  expect(work.busy).toBe(4);
  expect(work.meters[0]!.take().requests).toBeGreaterThanOrEqual(14);
});
