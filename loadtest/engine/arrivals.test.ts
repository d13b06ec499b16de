import { expect, test } from "vitest";
import { Arrivals, arrivalTime } from "./arrivals.ts";
import { FakeTime, fakeWork } from "./fake-line.ts";

test("a constant rate has its arrivals evenly spaced", () => {
  const times = Array.from({ length: 5 }, (_, n) => arrivalTime(n, 10, 10, 60_000));
  expect(times.map((at) => Math.round(at))).toEqual([50, 150, 250, 350, 450]);
});

test("a ramp brings the integral of its rate, and stays at its end", () => {
  // 0 to 100 a second within 10 s: 500 arrivals, then 100 a second.
  expect(arrivalTime(499, 0, 100, 10_000)).toBeLessThan(10_000);
  expect(arrivalTime(500, 0, 100, 10_000)).toBeGreaterThan(10_000);
  expect(arrivalTime(124, 0, 100, 10_000)).toBeCloseTo(4990, -1);
  expect(arrivalTime(600, 0, 100, 10_000) - arrivalTime(500, 0, 100, 10_000)).toBeCloseTo(1000);
  expect(arrivalTime(60, 10, 0, 10_000)).toBe(Infinity);
  expect(arrivalTime(0, 0, 0, 0)).toBe(Infinity);
});

test("a slow server gets no fewer requests, on as many connections as it needs", () => {
  const time = new FakeTime();
  const { work, sent } = fakeWork(time, () => ({ afterMs: 800 }));
  const arrivals = new Arrivals(work);
  arrivals.setRate(100, 100, 0);
  time.advance(3000, (now) => {
    arrivals.turn(now);
  });
  expect(sent.length).toBe(300);
  expect(arrivals.users).toBeGreaterThanOrEqual(79);
  expect(arrivals.users).toBeLessThanOrEqual(82);
});

test("latency counts from the intended moment, also when the generator was late", () => {
  const time = new FakeTime();
  const { work } = fakeWork(time, () => ({ afterMs: 10 }));
  const arrivals = new Arrivals(work);
  arrivals.setRate(1000, 1000, 0);
  // The process was held up for half a second: everything due meanwhile leaves late.
  time.advance(500, () => undefined);
  arrivals.turn(time.ms);
  time.advance(20, () => undefined);
  const { latency } = work.meters[0]!.take();
  expect(latency.max / 1000).toBeGreaterThan(500);
  expect(work.lag.max / 1000).toBeGreaterThan(490);
});

test("after a stop nothing arrives, and what waited for a connection is told of", () => {
  const time = new FakeTime();
  const { work, sent } = fakeWork(time, () => null);
  const arrivals = new Arrivals(work);
  arrivals.setRate(20_000, 20_000, 0);
  time.advance(1000, (now) => {
    arrivals.turn(now);
  });
  expect(sent.length).toBe(10_000);
  arrivals.stop();
  expect(arrivals.abandoned).toBeGreaterThanOrEqual(9_900);
  arrivals.turn(time.ms + 1000);
  expect(sent.length).toBe(10_000);
});
