import { html, nothing, type TemplateResult } from "lit-html";
import { quantiles, type StatRow, type ThresholdResult } from "../../events.ts";
import type { Actions } from "../app.ts";
import { bytes, count, judged, ms, percent, rate } from "../format.ts";
import { measuredSeconds, type State } from "../state.ts";
import { table, type Column } from "./table.ts";

const atQuantile = (row: StatRow, quantile: (typeof quantiles)[number]): number =>
  row.quantiles[quantiles.indexOf(quantile)] ?? 0;

const time = (title: string, key: (row: StatRow) => number, about?: string): Column<StatRow> => ({
  title,
  key,
  cell: (row) => (row.requests === 0 ? "–" : ms(key(row))),
  ...(about === undefined ? {} : { about }),
});

/** The last second's rate while a run goes on, the whole run's when it is over. */
function perSecond(
  title: string,
  what: string,
  seconds: number | null,
  all: (row: StatRow) => number,
  now: (row: StatRow) => number,
): Column<StatRow> {
  const key = seconds === null ? now : (row: StatRow) => all(row) / seconds;
  const when = seconds === null ? "in the last second" : "over the whole run";
  return { title, about: `${what} a second ${when}`, key, cell: (row) => rate(key(row)) };
}

const named: Column<StatRow>[] = [
  { title: "Type", key: ({ method }) => method },
  { title: "Name", key: ({ name }) => name },
];

/** @param seconds how long a finished run took; null while it goes on */
const columns = (seconds: number | null): Column<StatRow>[] => [
  ...named,
  { title: "Requests", key: ({ requests }) => requests, cell: ({ requests }) => count(requests) },
  {
    title: "Fails",
    key: ({ failures }) => failures,
    cell: ({ failures, requests }) =>
      failures === 0
        ? "0"
        : html`<span class="bad">${count(failures)}</span>
            <small>${percent(failures / requests)}</small>`,
  },
  time("Median", (row) => atQuantile(row, 0.5), "Half of all replies took no longer"),
  time("p95", (row) => atQuantile(row, 0.95), "95 of 100 replies took no longer"),
  time("p99", (row) => atQuantile(row, 0.99), "99 of 100 replies took no longer"),
  time("Average", ({ mean }) => mean),
  time("Min", ({ min }) => min),
  time("Max", ({ max }) => max),
  {
    title: "Size",
    about: "Average size of a reply's body",
    key: (row) => (row.requests === 0 ? 0 : row.bytes / row.requests),
    cell: (row) => (row.requests === 0 ? "–" : bytes(row.bytes / row.requests)),
  },
  perSecond(
    "RPS",
    "requests",
    seconds,
    ({ requests }) => requests,
    ({ rps }) => rps,
  ),
  perSecond(
    "Fails/s",
    "failures",
    seconds,
    ({ failures }) => failures,
    ({ failuresPerSecond }) => failuresPerSecond,
  ),
];

const percentiles: Column<StatRow>[] = [
  ...named,
  ...quantiles.map((quantile) =>
    time(`${Number((quantile * 100).toFixed(2))}%`, (row) => atQuantile(row, quantile)),
  ),
];

const threshold = ({ text, value, ok }: ThresholdResult): TemplateResult =>
  html`<li class=${ok ? "held" : "crossed"}>
    <b>${ok ? "Held" : "Crossed"}</b> <code>${text}</code>
    <small>${judged(text, value)}</small>
  </li>`;

export function statistics(state: State, actions: Actions): TemplateResult {
  const { last, ended } = state.view;
  const seconds = ended === undefined ? null : measuredSeconds(state.view);
  const rows = last?.rows ?? [];
  const total = last?.total;
  return html`${
    ended === undefined || ended.thresholds.length === 0
      ? nothing
      : html`<ul class="thresholds" aria-label="Thresholds">
          ${ended.thresholds.map(threshold)}
        </ul>`
  }
  ${table({ id: "statistics", caption: "Requests, times in ms", columns: columns(seconds), rows, total }, state, actions)}
  ${table(
    {
      id: "percentiles",
      caption: "Response times in ms: so many of the replies took no longer",
      columns: percentiles,
      rows,
      total,
    },
    state,
    actions,
  )}`;
}
