// How late this machine gives a core to somebody who is due: of every millisecond, how long after it
// this process ran. A pause counts for each moment in it, as it does for whoever waits for a reply. A
// process of its own; the parent asks over IPC.
import { setImmediate } from "node:timers/promises";
import { asked, at } from "./quantiles.ts";

/** Quantiles of the lateness since it was last asked, in ms. */
export type Lateness = Record<string, number>;

const everyMs = 1;
const nobody = new Int32Array(new SharedArrayBuffer(4));

let late: number[] = [];
process.on("message", () => {
  const sorted = Float64Array.from(late).sort();
  late = [];
  process.send?.(Object.fromEntries(asked.map((q) => [q, at(sorted, q)])));
});
process.on("disconnect", () => process.exit(0));
process.send?.({ port: 0 });

let due = performance.now() + everyMs;
for (;;) {
  // By the clock itself: timers of the event loop are a millisecond late on the quietest machine.
  for (let i = 0; i < 50; i += 1) {
    Atomics.wait(nobody, 0, 0, Math.max(0, due - performance.now()));
    const now = performance.now();
    for (; due <= now; due += everyMs) late.push(now - due);
  }
  await setImmediate();
}
