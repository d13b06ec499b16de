// The tables on the console.
import type { RunState, RunView, StatRow, Tick } from "../events.ts";
import { failureText, quantiles } from "../events.ts";

/** "0.412", "7.31", "128": milliseconds, short enough to read. */
export function msText(ms: number): string {
  return ms.toFixed(ms < 1 ? 3 : ms < 10 ? 2 : ms < 100 ? 1 : 0);
}

type Cell = string | number;

/** Columns as wide as they need; the first two to the left, numbers to the right. */
function grid(head: string[], rows: Cell[][], left: number): string {
  const cells = [head, ...rows.map((row) => row.map(String))];
  const widths = head.map((_, i) => Math.max(...cells.map((row) => row[i]!.length)));
  const line = (row: string[]): string =>
    row
      .map((cell, i) => (i < left ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join("  ")
      .trimEnd();
  return [
    line(cells[0]!),
    widths.map((width) => "-".repeat(width)).join("  "),
    ...cells.slice(1).map(line),
  ].join("\n");
}

const percent = (part: number, whole: number): string =>
  whole === 0 ? "0" : `${part} (${((100 * part) / whole).toFixed(2)}%)`;

/** The closing tables of a run: statistics, percentiles, failures, and what is to be known about them. */
export function finalTables(view: RunView): string {
  const { last, started, ended } = view;
  if (last === undefined || started === undefined || last.total.requests === 0) {
    return ["No request was sent.", ...(ended?.notes ?? [])].join("\n");
  }
  const seconds = Math.max(1e-9, (ended?.at ?? last.at) - (view.resetAt ?? started.at));
  const rows = [...last.rows, last.total];
  const stats = grid(
    ["Type", "Name", "Requests", "Failures", "Avg", "Min", "Max", "Median", "req/s", "failures/s"],
    rows.map((row) => [
      row.method,
      row.name,
      row.requests,
      percent(row.failures, row.requests),
      msText(row.mean),
      msText(row.min),
      msText(row.max),
      msText(row.quantiles[0]!),
      (row.requests / seconds).toFixed(1),
      (row.failures / seconds).toFixed(2),
    ]),
    2,
  );
  const wanted = quantiles.filter((quantile) => quantile !== 0.66 && quantile !== 0.8);
  const percentiles = grid(
    ["Type", "Name", ...wanted.map((quantile) => `${Number((quantile * 100).toFixed(2))}%`)],
    rows.map((row: StatRow) => [
      row.method,
      row.name,
      ...wanted.map((quantile) => msText(row.quantiles[quantiles.indexOf(quantile)]!)),
    ]),
    2,
  );
  const parts = [
    `Requests (times in ms)\n${stats}`,
    `Response time percentiles (ms)\n${percentiles}`,
  ];
  if (view.failures.length > 0) {
    const most = [...view.failures].sort((a, b) => b.occurrences - a.occurrences).slice(0, 20);
    parts.push(
      `Failures\n${grid(
        ["Type", "Name", "Error", "Occurrences"],
        most.map((row) => [row.method, row.name, row.error, row.occurrences]),
        3,
      )}`,
    );
    const said = most.filter((row) => row.said !== undefined);
    if (said.length > 0) {
      parts.push(
        `What the server said\n${said.map((row) => `${row.method} ${row.name}, ${failureText(row)}`).join("\n")}`,
      );
    }
  }
  if (view.exceptions.length > 0) {
    parts.push(
      `Exceptions in the scenario\n${view.exceptions.map((row) => `${row.count} x ${row.message}`).join("\n")}`,
    );
  }
  if (ended !== undefined && ended.thresholds.length > 0) {
    parts.push(
      `Thresholds\n${ended.thresholds.map((result) => `${result.ok ? "held   " : "CROSSED"}  ${result.text}  (${Number(result.value.toPrecision(4))})`).join("\n")}`,
    );
  }
  if (ended !== undefined && ended.interrupted > 0) {
    parts.push(
      `${ended.interrupted} requests were still under way when the run was cut short; they are not counted.`,
    );
  }
  for (const note of ended?.notes ?? []) parts.push(`Note: ${note}.`);
  if (ended?.limited != null)
    parts.push(
      `GENERATOR-LIMITED: ${ended.limited}. These numbers are about the load generator, not about the target.`,
    );
  return parts.join("\n\n");
}

/** `1 user`, `20 users`. */
const counted = (n: number, noun: string): string => `${n} ${noun}${n === 1 ? "" : "s"}`;

const withoutUsers: Readonly<Record<RunState, string>> = {
  spawning: "starting",
  running: "no users",
  stopping: "stopping",
  stopped: "stopping",
};

/** Who sends: the users there are, or why there are none. An open loop has none that could be counted. */
function senders({ users, state }: Pick<Tick, "users" | "state">, most: number | null): string {
  if (most === null) return "";
  const text = users > 0 ? counted(users, "user") : withoutUsers[state];
  return `${text.padStart(Math.max("stopping".length, counted(most, "user").length))}  `;
}

/** One line a second while a run goes on, in columns as long as figures keep their size. */
export function progressLine(view: RunView): string {
  const { last, started } = view;
  if (last === undefined || started === undefined) return "starting";
  const { total } = last;
  const seconds = Math.round(last.at - started.at);
  const limited = last.limited === null ? "" : `  generator-limited: ${last.limited}`;
  const ms = (value: number): string => msText(value).padEnd(5);
  return (
    `${String(seconds).padStart(4)} s  ${senders(last, started.users)}` +
    `${total.rps.toFixed(0).padStart(5)} req/s  ` +
    `p50 ${ms(total.p50)}  p95 ${ms(total.p95)}  p99 ${ms(total.p99)} ms  ` +
    `${counted(total.requests, "request")}  ${counted(total.failures, "failure")}${limited}`
  );
}
