import type { ThinkTime } from "../scenario/scenario.ts";

/** Milliseconds to wait after a reply that took `tookMs`. */
export function thinkMs(think: ThinkTime, random: () => number, tookMs: number): number {
  switch (think.kind) {
    case "constant":
      return think.seconds * 1000;
    case "uniform":
      return (think.min + (think.max - think.min) * random()) * 1000;
    case "exponential":
      return -Math.log(1 - random()) * think.mean * 1000;
    case "pacing":
      return Math.max(0, think.seconds * 1000 - tookMs);
  }
}
