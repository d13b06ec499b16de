import fc from "fast-check";
import { expect, test } from "vitest";
import { Wheel, type Waiter } from "./wheel.ts";

test("everyone is woken once, at the first turn at or after its time", () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0, max: 20_000, noNaN: true }), { maxLength: 50 }),
      fc.array(fc.integer({ min: 1, max: 6000 }), { minLength: 1, maxLength: 40 }),
      (dues, steps) => {
        const wheel = new Wheel<Waiter & { id: number }>(0);
        dues.forEach((due, id) => {
          wheel.add({ id, due: 0, nextInSlot: undefined }, due);
        });
        const woken = new Map<number, number>();
        let now = 0;
        let before = 0;
        for (const step of [...steps, 30_000]) {
          before = now;
          now += step;
          wheel.turn(now, ({ id, due }) => {
            expect(woken.has(id)).toBe(false);
            expect(due).toBeLessThanOrEqual(now);
            // Not later than the first turn whose millisecond has come.
            expect(Math.ceil(due)).toBeGreaterThan(before - 1);
            woken.set(id, now);
          });
        }
        expect(woken.size).toBe(dues.length);
        expect(wheel.size).toBe(0);
      },
    ),
  );
});

test("who is woken may wait again", () => {
  const wheel = new Wheel<Waiter>(0);
  const waiter: Waiter = { due: 0, nextInSlot: undefined };
  const woken: number[] = [];
  wheel.add(waiter, 10);
  for (let now = 1; now <= 50; now += 1) {
    wheel.turn(now, (one) => {
      woken.push(now);
      wheel.add(one, now + 10);
    });
  }
  expect(woken).toEqual([10, 20, 30, 40, 50]);
});
