// When updates are killed, and what each of them was to change.

import { numbers } from "./numbers.ts";

/**
 * Moments of an update as shares of the time it takes, rising: its time is cut into as many equal parts, and
 * each has one, at a place that the seed decides.
 */
export function moments(seed: number, count: number): number[] {
  const next = numbers(seed);
  return Array.from({ length: count }, (_, i) => (i + next()) / count);
}

export interface Change {
  readonly key: "cpus" | "memory" | "replicas";
  readonly value: string;
}

/** Round after round each is another than what is there: a container anew, one more, one less. */
const changes: readonly Change[] = [
  { key: "cpus", value: "0.5" },
  { key: "memory", value: "192MB" },
  { key: "replicas", value: "2" },
  { key: "cpus", value: "0.75" },
  { key: "memory", value: "256MB" },
  { key: "replicas", value: "1" },
];

/** What the update of a round changes, from round 0 on. */
export function changeOf(round: number): Change {
  const change = changes[round % changes.length];
  if (change === undefined) throw new RangeError(`no round has the number ${round}`);
  return change;
}
