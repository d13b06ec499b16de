import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { UserError } from "../../infra/errors.ts";
import { judge, judgedText, parseSlo, worst, type Measured } from "./slo.ts";

const measured = (over: Partial<Measured> = {}): Measured => ({
  quantile: (q) => q * 1000,
  mean: 100,
  max: 2000,
  requests: 10_000,
  failures: 0,
  rps: 900,
  ...over,
});

describe("objectives", () => {
  test.each([
    ["p95<1s", true],
    ["p95<950ms", false],
    ["p95<=950ms", true],
    ["p99.9<999.5ms", true],
    ["mean<100ms", false],
    ["max<2.5s", true],
    ["rps>899", true],
    ["rps>=901", false],
    ["failures=0", true],
  ])("%s is met: %s", (text, met) => {
    expect(judge(parseSlo(text), measured())[0]?.met).toBe(met);
  });

  test.each([
    ["failures=0", 1, false],
    ["failures<10", 9, true],
    ["failures<0.1%", 9, true],
    ["failures<0.1%", 10, false],
  ])("%s with %i of 10000 failed is met: %s", (text, failures, met) => {
    expect(judge(parseSlo(text), measured({ failures }))[0]?.met).toBe(met);
  });

  test("the worst kept one decides, and says by how much", () => {
    const judged = judge(parseSlo("p95<500ms, failures=0, p50<1s"), measured());
    expect(worst(judged)?.objective.metric).toBe("p95");
    expect(judged.map(judgedText)[0]).toBe("p95 was 950 ms, 90% above the limit (p95<500ms)");
  });

  test.each(["", "p95", "p95<", "p95<500", "p95>500ms", "p95<0ms", "latency<5ms", "failures=3"])(
    "%j is refused with what is allowed",
    (text) => {
      expect(() => parseSlo(text)).toThrow(UserError);
      expect(() => parseSlo(text)).toThrow("Allowed:");
    },
  );

  test("the margin is below 0 exactly where an objective is met, and grows with the value", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.001, max: 1e5, noNaN: true }),
        fc.double({ min: 0.001, max: 1e5, noNaN: true }),
        (a, b) => {
          const at = (value: number) =>
            worst(judge(parseSlo("p50<100ms"), measured({ quantile: () => value })))?.margin ?? NaN;
          expect(at(a) < 0).toBe(a < 100);
          if (a <= b) expect(at(a)).toBeLessThanOrEqual(at(b));
        },
      ),
    );
  });
});
