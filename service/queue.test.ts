import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DrainRate, Fifo } from "./queue.ts";

describe("queue", () => {
  it("gives back what it was given, in order, however pushes and shifts mix", () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 3000 }), { maxLength: 20 }), (bursts) => {
        const queue = new Fifo<{ n: number }>();
        const plain: { n: number }[] = [];
        bursts.forEach((burst, i) => {
          for (let k = 0; k < burst; k++) {
            const item = { n: k };
            queue.push(item);
            plain.push(item);
          }
          for (let k = 0; k < burst * (i % 2 ? 1 : 0.7); k++)
            if (queue.shift() !== plain.shift()) throw new Error("out of order");
          expect(queue.length).toBe(plain.length);
          expect(queue.first).toEqual(plain[0]);
        });
      }),
      { numRuns: 30 },
    );
  });

  it("predicts the wait from how fast the queue has emptied lately", () => {
    const rate = new DrainRate();
    expect(rate.wait(1000)).toBe(0);
    for (let i = 0; i < 10; i++) rate.record(10, 5);
    expect(rate.wait(100)).toBeCloseTo(50);
    for (let i = 0; i < 100; i++) rate.record(10, 20);
    expect(rate.wait(100)).toBeGreaterThan(190);
  });
});
