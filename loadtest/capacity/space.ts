// The configurations a search chooses from: every combination of the limits named for it.
import type { Cpus, MiB } from "../../infra/units.ts";

/** Limits of one replica, and how many there are. */
export interface Limits {
  readonly cpus: Cpus;
  readonly memory: MiB;
  readonly replicas: number;
}

/** Values of each axis, in any order. */
export type Axes = { readonly [A in keyof Limits]: readonly number[] };

export const axisNames = ["cpus", "memory", "replicas"] as const;
export type Axis = (typeof axisNames)[number];

export const limitsKey = ({ cpus, memory, replicas }: Limits): string =>
  `${cpus}/${memory}/${replicas}`;

/** "2 × 0.25 CPU, 128MB" */
export const limitsText = ({ cpus, memory, replicas }: Limits): string =>
  `${replicas > 1 ? `${replicas} × ` : ""}${cpus} CPU, ${memory}MB`;

/** All combinations, without repeats, each axis ascending. */
export function combinations(axes: Axes): Limits[] {
  const values = (axis: Axis): number[] => [...new Set(axes[axis])].sort((a, b) => a - b);
  return values("replicas").flatMap((replicas) =>
    values("memory").flatMap((memory) =>
      values("cpus").map((cpus) => ({ cpus, memory, replicas })),
    ),
  );
}

/** Whether `a` has no more of anything than `b`. */
export const atMost = (a: Limits, b: Limits): boolean =>
  axisNames.every((axis) => a[axis] <= b[axis]);

/** The configuration with the next smaller value on one axis; undefined where there is none. */
export function oneStepLess(axes: Axes, limits: Limits, axis: Axis): Limits | undefined {
  const below = axes[axis].filter((value) => value < limits[axis]);
  return below.length === 0 ? undefined : { ...limits, [axis]: Math.max(...below) };
}
