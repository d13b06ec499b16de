// A capacity search as the load test's page shows it: told whole by the search whenever something
// has changed. Memory is in MiB, latencies in ms.
import { z } from "zod";

const limits = z.strictObject({
  cpus: z.number().positive(),
  memory: z.number().positive(),
  replicas: z.int().positive(),
});

const trial = z.strictObject({
  limits,
  /** Why it was made: "search", "confirm", … */
  purpose: z.string().max(40),
  verdict: z.enum(["pass", "fail", "unstable", "void"]),
  /** What decided, in words. */
  said: z.string().max(1000),
  p95: z.number().nullable(),
  /** Requests a second. */
  rps: z.number(),
  failures: z.number(),
  /** How long it took. */
  seconds: z.number(),
});

export const toldSearch = z.strictObject({
  /** What is asked: "10000 users, p95<500ms,failures=0". */
  question: z.string().max(1000),
  /** What limits are chosen from, ascending. */
  axes: z.strictObject({
    cpus: z.array(z.number()).max(100),
    memory: z.array(z.number()).max(100),
    replicas: z.array(z.number()).max(32),
  }),
  trials: z.array(trial).max(10_000),
  /** The trial under way. */
  now: z.strictObject({ limits, purpose: z.string().max(40) }).nullable(),
  /** The cheapest that passes as far as is known; proven when nothing cheaper is left. */
  best: z.strictObject({ limits, proven: z.boolean() }).nullable(),
  /** Trials of a declared table; null for a search, which finds out itself how many it takes. */
  declared: z.int().nullable(),
  ended: z.boolean(),
});

export type ToldSearch = z.infer<typeof toldSearch>;
export type ToldLimits = z.infer<typeof limits>;
export type ToldTrial = z.infer<typeof trial>;
