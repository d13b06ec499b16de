import fc from "fast-check";
import { build } from "hdr-histogram-js";
import { expect, test } from "vitest";
import { bucketOf, highestOf, Histogram, maxMicroseconds } from "./histogram.ts";

const value = fc.oneof(
  fc.integer({ min: 0, max: 5000 }),
  fc.integer({ min: 0, max: 2_000_000 }),
  fc.integer({ min: 0, max: maxMicroseconds }),
);

const filled = (values: readonly number[]): Histogram => {
  const histogram = new Histogram();
  for (const one of values) histogram.record(one);
  return histogram;
};

test("a bucket is never wider than a thousandth of its values", () => {
  fc.assert(
    fc.property(value, (us) => {
      const highest = highestOf(bucketOf(us));
      expect(highest).toBeGreaterThanOrEqual(us);
      expect(highest - us).toBeLessThanOrEqual(us / 1000);
      expect(bucketOf(highest)).toBe(bucketOf(us));
      if (highest < maxMicroseconds) expect(bucketOf(highest + 1)).toBe(bucketOf(us) + 1);
    }),
  );
});

test("percentiles are HdrHistogram's at three significant digits", () => {
  fc.assert(
    fc.property(fc.array(value, { minLength: 1, maxLength: 300 }), (values) => {
      const reference = build({
        lowestDiscernibleValue: 1,
        highestTrackableValue: maxMicroseconds,
        numberOfSignificantValueDigits: 3,
        bitBucketSize: 64,
      });
      for (const one of values) reference.recordValue(one);
      const ours = filled(values);
      for (const percentile of [50, 75, 90, 95, 99, 99.9]) {
        const theirs = reference.getValueAtPercentile(percentile);
        const mine = ours.quantile(percentile / 100);
        expect(Math.abs(mine - theirs)).toBeLessThanOrEqual(Math.max(1, theirs * 0.001));
      }
    }),
  );
});

test("histograms of parts, merged in any form, are the histogram of the whole", () => {
  fc.assert(
    fc.property(fc.array(value), fc.array(value), (left, right) => {
      const merged = filled(left);
      merged.merge(filled(right));
      const sent = filled(left);
      sent.mergeData(JSON.parse(JSON.stringify(filled(right).toData())) as never);
      const whole = filled([...left, ...right]);
      for (const one of [merged, sent]) {
        expect(one.toData().counts).toEqual(whole.toData().counts);
        expect([one.count, one.min, one.max]).toEqual([whole.count, whole.min, whole.max]);
      }
    }),
  );
});

test("no percentile is above the greatest value or below the least", () => {
  fc.assert(
    fc.property(
      fc.array(value, { minLength: 1 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (values, q) => {
        const histogram = filled(values);
        expect(histogram.quantile(q)).toBeLessThanOrEqual(histogram.max);
        expect(histogram.quantile(q)).toBeGreaterThanOrEqual(histogram.min);
      },
    ),
  );
});

test("fractions of a microsecond keep the sum exact and the extremes as they were", () => {
  const histogram = filled([1.25, 2.5, 1000.75]);
  expect(histogram.sum).toBe(1004.5);
  expect([histogram.min, histogram.max]).toEqual([1.25, 1000.75]);
});

test("a cleared histogram is like a new one", () => {
  const histogram = filled([5, 70_000, maxMicroseconds]);
  histogram.clear();
  expect(histogram.toData()).toEqual(new Histogram().toData());
  expect(histogram.quantile(0.99)).toBe(0);
});
