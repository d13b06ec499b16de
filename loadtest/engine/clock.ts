/** Where time and chance come from; tests bring their own. */
export interface Clock {
  /** Milliseconds since some moment, with fractions, never going back. */
  now: () => number;
  /** Milliseconds since 1970. */
  unixMs: () => number;
  /** Uniform in [0, 1). */
  random: () => number;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  unixMs: () => Date.now(),
  random: Math.random,
};
