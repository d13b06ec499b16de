// The run as Prometheus reads it.
import { quantiles, type RunView, type StatRow } from "../events.ts";

const escape = (text: string): string =>
  text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");

export function prometheusText(view: RunView): string {
  const { last } = view;
  const out: string[] = [];
  const metric = (name: string, type: string, help: string, samples: [string, number][]): void => {
    out.push(`# HELP loadtest_${name} ${help}`, `# TYPE loadtest_${name} ${type}`);
    for (const [labels, value] of samples) out.push(`loadtest_${name}${labels} ${value}`);
  };
  const rows = last?.rows ?? [];
  const each = (value: (row: StatRow) => number): [string, number][] =>
    rows.map((row) => [`{method="${escape(row.method)}",name="${escape(row.name)}"}`, value(row)]);
  metric("users", "gauge", "Users there are.", [["", last?.users ?? 0]]);
  metric("running", "gauge", "1 while a run goes on.", [["", view.state === "stopped" ? 0 : 1]]);
  metric("generator_limited", "gauge", "1 when the generator itself is the limit.", [
    ["", (last?.limited ?? null) === null ? 0 : 1],
  ]);
  metric(
    "requests_total",
    "counter",
    "Requests that have ended.",
    each((row) => row.requests),
  );
  metric(
    "failures_total",
    "counter",
    "Requests that failed.",
    each((row) => row.failures),
  );
  metric(
    "reply_bytes_total",
    "counter",
    "Bytes of reply bodies.",
    each((row) => row.bytes),
  );
  out.push(
    "# HELP loadtest_latency_seconds Latency of the run so far.",
    "# TYPE loadtest_latency_seconds summary",
  );
  for (const row of rows) {
    const labels = `method="${escape(row.method)}",name="${escape(row.name)}"`;
    quantiles.forEach((quantile, i) => {
      out.push(
        `loadtest_latency_seconds{${labels},quantile="${quantile}"} ${row.quantiles[i]! / 1000}`,
      );
    });
    out.push(
      `loadtest_latency_seconds_sum{${labels}} ${(row.mean * row.requests) / 1000}`,
      `loadtest_latency_seconds_count{${labels}} ${row.requests}`,
    );
  }
  metric(
    "worker_cpu",
    "gauge",
    "Share of one core a worker uses.",
    view.workers.map(({ id, cpu }) => [`{worker="${escape(id)}"}`, cpu]),
  );
  metric(
    "worker_lag_seconds",
    "gauge",
    "99th percentile of how late requests leave.",
    view.workers.map(({ id, lagMs }) => [`{worker="${escape(id)}"}`, lagMs / 1000]),
  );
  return `${out.join("\n")}\n`;
}
