import type { Output } from "../contract/encode.ts";
import { elementCount, type TensorData } from "../contract/types.ts";
import type { Run } from "./session.ts";

/** Some rows as tensors: elements and sizes of one row of every input. */
export interface Rows {
  readonly count: number;
  readonly data: readonly TensorData[];
  /** Sizes of one row of every input. */
  readonly sizes: readonly (readonly number[])[];
}

/** Sums in another order, as other numbers of rows have them, differ by less, and other answers by more. */
const TOLERANCE = 1e-4;

/** Runs the rows at `places` as one; undefined where the model refuses them. */
function runAt(run: Run, rows: Rows, places: readonly number[]): Output[] | undefined {
  const data = rows.data.map((all, i) => {
    const width = elementCount(rows.sizes[i] ?? []);
    const parts = places.map((place) => all.slice(place * width, (place + 1) * width));
    if (Array.isArray(all)) return (parts as string[][]).flat();
    const joined = all.slice(0, 0).constructor as new (length: number) => Float64Array;
    const target = new joined(places.length * width);
    parts.forEach((part, k) => {
      target.set(part as Float64Array, k * width);
    });
    return target as TensorData;
  });
  try {
    return run(
      data,
      rows.sizes.map((sizes) => [places.length, ...sizes]),
    );
  } catch {
    return undefined;
  }
}

function alike(a: unknown, b: unknown): boolean {
  if (typeof a !== "number" || typeof b !== "number") return a === b;
  if (Object.is(a, b) || a === b) return true;
  return Math.abs(a - b) <= TOLERANCE * Math.max(Math.abs(a), Math.abs(b), 1e-3);
}

/** Whether row `at` of `together` is the one row of `alone`. */
const samePart = (together: readonly Output[], at: number, alone: readonly Output[]): boolean =>
  alone.every(({ data }, i) => {
    const all = together[i]?.data ?? [];
    return Array.from({ length: data.length }, (_, k) => k).every((k) =>
      alike(all[at * data.length + k], data[k]),
    );
  });

/**
 * Whether every row has the answer beside others that it has alone: rows of different values are run
 * alone, as a pair in both orders, and all together. What the model refuses alone says
 * nothing, and where it refuses all but one, nothing is shown.
 */
export function independent(run: Run, rows: Rows): boolean {
  const alone = new Map<number, Output[]>();
  for (let place = 0; place < rows.count; place++) {
    const outputs = runAt(run, rows, [place]);
    if (outputs) alone.set(place, outputs);
  }
  const known = [...alone.keys()];
  // Equal rows, or a single one, cannot show what one does to another.
  if (known.length < 2) return false;
  const pair = known.slice(0, 2);
  return [
    pair,
    pair.toReversed(),
    known,
    known.toReversed(),
    [...known, ...known.toReversed()],
  ].every((places) => {
    const together = runAt(run, rows, places);
    return (
      together !== undefined &&
      places.every((place, at) => samePart(together, at, alone.get(place) ?? []))
    );
  });
}

const STEPS = [0, 1.37, -2.9, 17.3, -0.41, 260.7, 3.3, -31.9];
/** More rows than have to meet before a third or a fourth has an effect. */
export const VARIED = STEPS.length;

/** Makes the rows of some tensors differ from each other, in every element; texts in every other row. */
export function vary(data: readonly TensorData[], widths: readonly number[]): void {
  data.forEach((all, i) => {
    const width = widths[i] ?? 1;
    for (let at = 0; at < all.length; at++) {
      const row = Math.floor(at / width);
      const step = (STEPS[row] ?? 0) * (1 + ((at % width) % 7) / 3);
      const value = all[at];
      if (typeof value === "string") {
        if (row % 2 === 1) (all as string[])[at] = `${value} ${row}`;
      } else if (typeof value === "bigint") (all as BigInt64Array)[at] = value + BigInt(row);
      else if (value !== undefined) {
        const whole = !(all instanceof Float32Array || all instanceof Float64Array);
        (all as Float64Array)[at] = value + (whole ? row : step);
      }
    }
  });
}
