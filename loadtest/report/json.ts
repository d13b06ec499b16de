// Locust's JSON, with what it leaves out added to each entry: the whole histogram, and whether the
// generator was the limit.
import { highestOf, type HistogramData } from "../engine/histogram.ts";
import type { Ended, RunView } from "../events.ts";

/** Locust's buckets of response times: 1 ms below 100 ms, then two significant digits. */
export function locustBucket(ms: number): number {
  if (ms < 100) return Math.round(ms);
  if (ms < 1000) return Math.round(ms / 10) * 10;
  if (ms < 10_000) return Math.round(ms / 100) * 100;
  return Math.round(ms / 1000) * 1000;
}

function responseTimes({ counts, max }: HistogramData): Record<string, number> {
  const times = new Map<number, number>();
  for (let i = 0; i < counts.length; i += 2) {
    const bucket = locustBucket(Math.min(highestOf(counts[i]!), max) / 1000);
    times.set(bucket, (times.get(bucket) ?? 0) + counts[i + 1]!);
  }
  return Object.fromEntries(times);
}

/** The file that `--json-file` writes and `--json` prints. `numbers` are the run's, so far or final. */
export function statsJson(view: RunView, numbers: Ended): unknown[] {
  const { started, last } = view;
  return (last?.rows ?? []).map((row) => {
    const same = (one: { method: string; name: string }): boolean =>
      one.name === row.name && one.method === row.method;
    const data = numbers.histograms.find(same)?.data ?? { counts: [], sum: 0, min: 0, max: 0 };
    const seconds = numbers.seconds.find(same);
    return {
      name: row.name,
      method: row.method,
      last_request_timestamp: seconds?.requests.at(-1)?.[0] ?? null,
      start_time: started?.at ?? null,
      num_requests: row.requests,
      num_none_requests: 0,
      num_failures: row.failures,
      total_response_time: data.sum / 1000,
      max_response_time: row.max,
      min_response_time: row.min,
      total_content_length: row.bytes,
      response_times: responseTimes(data),
      num_reqs_per_sec: Object.fromEntries(seconds?.requests ?? []),
      num_fail_per_sec: Object.fromEntries(seconds?.failures ?? []),
      // Beyond Locust: pairs of bucket and count, see engine/histogram.ts for their bounds.
      histogram: { unit: "us", ...data },
      generator_limited: numbers.limited,
    };
  });
}
