/** What is compared. */
export const asked = [0.5, 0.75, 0.9, 0.95, 0.99, 0.999];

export const at = (sorted: Float64Array, q: number): number =>
  sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? 0;
