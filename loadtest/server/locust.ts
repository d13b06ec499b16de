// Locust's own JSON routes, so that scripts written for them go on working.
import type { RunView, StatRow } from "../events.ts";
import { failureText, quantiles } from "../events.ts";
import { windowRates } from "../report/csv.ts";

const at = (row: StatRow, quantile: (typeof quantiles)[number]): number =>
  row.quantiles[quantiles.indexOf(quantile)]!;

/** GET /stats/requests. */
export function statsRequests(view: RunView, state: string): unknown {
  const { last, started } = view;
  const rows = last === undefined ? [] : [...last.rows, last.total];
  const seconds =
    last === undefined || started === undefined
      ? 1
      : Math.max(0.001, (view.ended?.at ?? last.at) - (view.resetAt ?? started.at));
  const index = view.ticks.length - 1;
  const stats = rows.map((row) => {
    const [rps, failures] = view.state === "stopped" ? [0, 0] : windowRates(view.ticks, index, row);
    return {
      method: row.method === "" ? null : row.method,
      name: row.name,
      safe_name: row.name.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`),
      num_requests: row.requests,
      num_failures: row.failures,
      avg_response_time: row.mean,
      min_response_time: row.min,
      max_response_time: row.max,
      median_response_time: at(row, 0.5),
      "response_time_percentile_0.95": at(row, 0.95),
      "response_time_percentile_0.99": at(row, 0.99),
      current_rps: rps,
      current_fail_per_sec: failures,
      total_rps: row.requests / seconds,
      total_fail_per_sec: row.failures / seconds,
      avg_content_length: row.requests === 0 ? 0 : row.bytes / row.requests,
    };
  });
  const total = last?.total;
  const aggregated = stats.at(-1);
  return {
    state,
    user_count: last?.users ?? 0,
    stats,
    errors: view.failures.map((row) => ({
      method: row.method,
      name: row.name,
      error: failureText(row),
      occurrences: row.occurrences,
      first_seen: row.firstSeen,
      last_seen: row.lastSeen,
    })),
    total_rps: aggregated?.current_rps ?? 0,
    total_fail_per_sec: aggregated?.current_fail_per_sec ?? 0,
    total_avg_response_time: total?.mean ?? 0,
    fail_ratio: total === undefined || total.requests === 0 ? 0 : total.failures / total.requests,
    current_response_time_percentiles: {
      "response_time_percentile_0.5": total?.p50 ?? null,
      "response_time_percentile_0.95": total?.p95 ?? null,
    },
    workers: view.workers.map((worker) => ({
      id: worker.id,
      state: worker.state,
      user_count: worker.users,
      cpu_usage: worker.cpu * 100,
      memory_usage: worker.memory,
    })),
    // Beyond Locust.
    generator_limited: view.ended?.limited ?? last?.limited ?? null,
  };
}

/** GET /exceptions. */
export const exceptions = (view: RunView): unknown => ({
  exceptions: view.exceptions.map(({ message, traceback, count, nodes }) => ({
    count,
    msg: message,
    traceback,
    nodes: nodes.join(", "),
  })),
});

/** GET /tasks: shares of the tasks. */
export function tasks(view: RunView): unknown {
  const list = view.started?.tasks ?? [];
  const sum = list.reduce((total, { weight }) => total + weight, 0);
  const shares = Object.fromEntries(
    list.map(({ name, weight }) => [name, { ratio: weight / sum }]),
  );
  const user = { User: { ratio: 1, tasks: shares } };
  return { per_class: user, total: user };
}

/** GET /logs. */
export const logs = (view: RunView): unknown => ({
  master: view.logs.map(
    ({ at: unix, level, text }) =>
      `[${new Date(unix * 1000).toISOString()}] ${level.toUpperCase()}: ${text}`,
  ),
  workers: {},
});
