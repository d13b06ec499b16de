// A log-linear histogram of microseconds with three significant digits, laid out as HdrHistogram
// lays out its counts: exact below 2,048 µs, then 1,024 buckets for each doubling. Histograms of
// different processes merge by adding counters, so percentiles of a whole run are never averages.
// It runs in the browser too.

const linearLimit = 2048;
const halfBuckets = 1024;
/** The largest value told apart: about 71 minutes. Longer ones count as this. */
export const maxMicroseconds = 0xffff_ffff;
const bucketCount = 22 * halfBuckets + halfBuckets;

/** Counts that are not zero, as `[bucket, count, bucket, count, …]`, with what counts cannot say. */
export interface HistogramData {
  counts: number[];
  /** Sum, least and greatest of the exact values, in µs. */
  sum: number;
  min: number;
  max: number;
}

/** Bucket of a whole number of microseconds in 0..maxMicroseconds. */
export function bucketOf(us: number): number {
  if (us < linearLimit) return us;
  const shift = 21 - Math.clz32(us);
  return shift * halfBuckets + (us >>> shift);
}

/** The highest value, in µs, that falls into a bucket. */
export function highestOf(bucket: number): number {
  if (bucket < linearLimit) return bucket;
  const shift = Math.floor(bucket / halfBuckets) - 1;
  return (bucket - shift * halfBuckets + 1) * 2 ** shift - 1;
}

export class Histogram {
  readonly #counts = new Float64Array(bucketCount);
  // Only buckets in low..high are ever touched: merging, reading and clearing walk no further.
  #low = bucketCount;
  #high = -1;
  count = 0;
  /** Exact sum, least and greatest, in µs. */
  sum = 0;
  min = Infinity;
  max = 0;

  /** Counts one value; `us` may have a fraction. */
  record(us: number): void {
    const whole = us < 0 ? 0 : us > maxMicroseconds ? maxMicroseconds : (us + 0.5) >>> 0;
    const bucket = bucketOf(whole);
    this.#counts[bucket]! += 1;
    if (bucket < this.#low) this.#low = bucket;
    if (bucket > this.#high) this.#high = bucket;
    this.count += 1;
    this.sum += us;
    if (us < this.min) this.min = us;
    if (us > this.max) this.max = us;
  }

  merge(other: Histogram): void {
    for (let bucket = other.#low; bucket <= other.#high; bucket += 1) {
      this.#counts[bucket]! += other.#counts[bucket]!;
    }
    this.#widen(other.#low, other.#high, other.count, other.sum, other.min, other.max);
  }

  mergeData(data: HistogramData): void {
    const { counts } = data;
    let total = 0;
    for (let i = 0; i < counts.length; i += 2) {
      this.#counts[counts[i]!]! += counts[i + 1]!;
      total += counts[i + 1]!;
    }
    if (total > 0) {
      this.#widen(counts[0]!, counts[counts.length - 2]!, total, data.sum, data.min, data.max);
    }
  }

  #widen(low: number, high: number, count: number, sum: number, min: number, max: number): void {
    if (count === 0) return;
    this.#low = Math.min(this.#low, low);
    this.#high = Math.max(this.#high, high);
    this.count += count;
    this.sum += sum;
    this.min = Math.min(this.min, min);
    this.max = Math.max(this.max, max);
  }

  clear(): void {
    if (this.#high >= 0) this.#counts.fill(0, this.#low, this.#high + 1);
    this.#low = bucketCount;
    this.#high = -1;
    this.count = 0;
    this.sum = 0;
    this.min = Infinity;
    this.max = 0;
  }

  toData(): HistogramData {
    const counts: number[] = [];
    for (let bucket = this.#low; bucket <= this.#high; bucket += 1) {
      const count = this.#counts[bucket]!;
      if (count > 0) counts.push(bucket, count);
    }
    return { counts, sum: this.sum, min: this.count === 0 ? 0 : this.min, max: this.max };
  }

  static fromData(data: HistogramData): Histogram {
    const histogram = new Histogram();
    histogram.mergeData(data);
    return histogram;
  }

  /** Mean in µs; 0 when nothing was recorded. */
  get mean(): number {
    return this.count === 0 ? 0 : this.sum / this.count;
  }

  /**
   * Values, in µs, at ascending quantiles in 0..1: the least value such that at least that share
   * of all values is no greater (nearest rank). Never above `max`; 0 when nothing was recorded.
   */
  quantiles(ascending: readonly number[]): number[] {
    const values: number[] = [];
    let seen = 0;
    let bucket = this.#low - 1;
    for (const quantile of ascending) {
      const rank = Math.max(1, Math.ceil(quantile * this.count - 1e-9));
      while (seen < rank && bucket < this.#high) {
        bucket += 1;
        seen += this.#counts[bucket]!;
      }
      values.push(this.count === 0 ? 0 : Math.max(Math.min(highestOf(bucket), this.max), this.min));
    }
    return values;
  }

  quantile(quantile: number): number {
    return this.quantiles([quantile])[0]!;
  }
}
