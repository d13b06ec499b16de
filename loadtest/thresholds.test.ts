import { expect, test } from "vitest";
import { counts, events, viewOf } from "./fake-events.ts";
import { Histogram } from "./engine/histogram.ts";
import { judge, parseThreshold } from "./thresholds.ts";

const view = viewOf(
  events([
    [
      counts(
        "/x",
        Array.from({ length: 100 }, (_, i) => i + 1),
        2,
      ),
    ],
  ]),
);
const total = view.last!.total;
const latency = Histogram.fromData(view.ended!.histograms.at(-1)!.data);
const held = (text: string): boolean =>
  judge(parseThreshold(text), total, (q) => latency.quantile(q) / 1000, 10).ok;

test.each([
  ["p95<96ms", true],
  ["p95<95ms", false],
  ["p(99)<=99.1", true],
  ["p99.9<0.1s", false],
  ["med<51ms", true],
  ["avg<50", false],
  ["max==100", true],
  ["min>0", true],
  ["failures=2", true],
  ["failures<2", false],
  ["failures<=2%", true],
  ["failures<1%", false],
  ["rps>=10", true],
  ["rps > 10", false],
  ["requests>99", true],
])("%s: %s", (text, ok) => {
  expect(held(text)).toBe(ok);
});

test("a threshold may stop the run, and is told without that", () => {
  expect(parseThreshold("failures<1% !abort")).toMatchObject({
    text: "failures<1%",
    abort: true,
    limit: 0.01,
  });
});

test("nothing was sent, nothing was shown: a bound on times does not hold", () => {
  const nothing = viewOf(events([[]])).last!.total;
  expect(judge(parseThreshold("p95<500ms"), nothing, () => 0, 1).ok).toBe(false);
  expect(judge(parseThreshold("failures=0"), nothing, () => 0, 1).ok).toBe(true);
});

test.each(["p95", "p101<5", "p95<5%", "latency<5ms", "failures<5ms", "p95<"])(
  "%s is refused",
  (text) => {
    expect(() => parseThreshold(text)).toThrow("is not understood");
  },
);
