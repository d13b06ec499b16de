// Locust's CSV files, column for column: CRLF, quotes only where needed, percentiles in whole ms.
import {
  failureText,
  quantiles,
  type FailureRow,
  type RunView,
  type StatRow,
  type Tick,
} from "../events.ts";

type Cell = string | number;

const cell = (value: Cell): string => {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};

const lines = (rows: Cell[][]): string =>
  rows.map((row) => `${row.map(cell).join(",")}\r\n`).join("");

const percentNames = quantiles.map((quantile) => `${Number((quantile * 100).toFixed(2))}%`);

/** A float as Python writes one: never without a fraction. */
const float = (value: number): string => (Number.isInteger(value) ? `${value}.0` : String(value));

const percentiles = (row: StatRow, values = row.quantiles): Cell[] =>
  values.map((value) => (row.requests === 0 || values.at(-1) === 0 ? "N/A" : Math.round(value)));

const size = (row: StatRow): number => (row.requests === 0 ? 0 : row.bytes / row.requests);

/** PREFIX_stats.csv. */
export function statsCsv(view: RunView): string {
  const { last, started, ended } = view;
  const head = [
    "Type",
    "Name",
    "Request Count",
    "Failure Count",
    "Median Response Time",
    "Average Response Time",
    "Min Response Time",
    "Max Response Time",
    "Average Content Size",
    "Requests/s",
    "Failures/s",
    ...percentNames,
  ];
  if (last === undefined || started === undefined) return lines([head]);
  const seconds = Math.max(0.001, (ended?.at ?? last.at) - (view.resetAt ?? started.at));
  return lines([
    head,
    ...[...last.rows, last.total].map((row): Cell[] => [
      row.method,
      row.name,
      row.requests,
      row.failures,
      Math.round(row.quantiles[0]!),
      float(row.mean),
      float(row.min),
      float(row.max),
      float(size(row)),
      float(row.requests / seconds),
      float(row.failures / seconds),
      ...percentiles(row),
    ]),
  ]);
}

/** PREFIX_stats_history.csv; `full` has a row for each task, with percentiles of the last ten seconds. */
export function historyCsv(view: RunView, full: boolean): string {
  const head = [
    "Timestamp",
    "User Count",
    "Type",
    "Name",
    "Requests/s",
    "Failures/s",
    ...percentNames,
    "Total Request Count",
    "Total Failure Count",
    "Total Median Response Time",
    "Total Average Response Time",
    "Total Min Response Time",
    "Total Max Response Time",
    "Total Average Content Size",
  ];
  const rows: Cell[][] = [head];
  if (view.started !== undefined) {
    rows.push([
      Math.floor(view.started.at),
      0,
      "",
      "Aggregated",
      "0.000000",
      "0.000000",
      ...quantiles.map(() => "N/A"),
      0,
      0,
      0,
      "0.0",
      0,
      0,
      0,
    ]);
  }
  view.ticks.forEach((tick, i) => {
    for (const row of full ? [...tick.rows, tick.total] : [tick.total]) {
      const [requests, failures] = windowRates(view.ticks, i, row);
      rows.push([
        Math.floor(tick.at),
        tick.users,
        row.method,
        row.name,
        requests.toFixed(6),
        failures.toFixed(6),
        ...percentiles(row, full ? row.recent : row.quantiles),
        row.requests,
        row.failures,
        Math.round(row.quantiles[0]!),
        float(row.mean),
        float(row.min),
        float(row.max),
        float(size(row)),
      ]);
    }
  });
  return lines(rows);
}

/** Requests and failures a second over the ten seconds before a tick, as Locust smooths them. */
export function windowRates(ticks: readonly Tick[], index: number, row: StatRow): [number, number] {
  const window = ticks.slice(Math.max(0, index - 9), index + 1);
  let requests = 0;
  let failures = 0;
  for (const tick of window) {
    const same =
      row.method === ""
        ? tick.total
        : tick.rows.find((one) => one.name === row.name && one.method === row.method);
    requests += same?.rps ?? 0;
    failures += same?.failuresPerSecond ?? 0;
  }
  return [requests / window.length, failures / window.length];
}

const time = (unix: number): string => new Date(unix * 1000).toISOString().replace(/\.\d+Z$/, "Z");

/** PREFIX_failures.csv. */
export const failuresCsv = (failures: readonly FailureRow[]): string =>
  lines([
    ["Method", "Name", "Error", "Occurrences", "First Seen", "Last Seen"],
    ...failures.map((row): Cell[] => [
      row.method,
      row.name,
      failureText(row),
      row.occurrences,
      time(row.firstSeen),
      time(row.lastSeen),
    ]),
  ]);

/** PREFIX_exceptions.csv. */
export const exceptionsCsv = (view: RunView): string =>
  lines([
    ["Count", "Message", "Traceback", "Nodes"],
    ...view.exceptions.map((row): Cell[] => [
      row.count,
      row.message,
      row.traceback,
      row.nodes.join(","),
    ]),
  ]);
