// The tabs that are one table each: failures, exceptions, ratio, logs, workers.
import { html, type TemplateResult } from "lit-html";
import { failureText, type ExceptionRow, type FailureRow, type WorkerRow } from "../../events.ts";
import type { Actions } from "../app.ts";
import { bytes, clock, count, ms, percent } from "../format.ts";
import type { State } from "../state.ts";
import { nothingYet } from "./empty.ts";
import { table, type Column } from "./table.ts";

const failureColumns: Column<FailureRow>[] = [
  {
    title: "Failures",
    key: ({ occurrences }) => occurrences,
    cell: ({ occurrences }) => count(occurrences),
  },
  { title: "Type", key: ({ method }) => method },
  { title: "Name", key: ({ name }) => name },
  {
    title: "Error",
    key: failureText,
    cell: (row) => html`<span class="bad wrap">${failureText(row)}</span>`,
  },
  { title: "First", key: ({ firstSeen }) => firstSeen, cell: ({ firstSeen }) => clock(firstSeen) },
  { title: "Last", key: ({ lastSeen }) => lastSeen, cell: ({ lastSeen }) => clock(lastSeen) },
];

export const failures = (state: State, actions: Actions): TemplateResult =>
  state.view.failures.length === 0
    ? nothingYet("No request has failed.")
    : table(
        {
          id: "failures",
          caption: "Failed requests by kind",
          columns: failureColumns,
          rows: state.view.failures,
        },
        state,
        actions,
      );

const exceptionColumns: Column<ExceptionRow>[] = [
  { title: "Times", key: (row) => row.count, cell: (row) => count(row.count) },
  {
    title: "Message",
    key: ({ message }) => message,
    cell: ({ message, traceback }) =>
      html`<details>
        <summary class="bad wrap">${message}</summary>
        <pre>${traceback}</pre>
      </details>`,
  },
  { title: "Workers", key: ({ nodes }) => nodes.join(", ") },
];

export const exceptions = (state: State, actions: Actions): TemplateResult =>
  state.view.exceptions.length === 0
    ? nothingYet("The scenario's own code has thrown nothing.")
    : table(
        {
          id: "exceptions",
          caption: "Thrown by the scenario's own code",
          columns: exceptionColumns,
          rows: state.view.exceptions,
        },
        state,
        actions,
      );

interface Ratio {
  task: string;
  planned: number;
  measured: number;
}

/** What each task was to have of all requests, and what it had. */
export function ratios({ started, last }: Pick<State["view"], "started" | "last">): Ratio[] {
  const tasks = started?.tasks ?? [];
  const weights = tasks.reduce((sum, { weight }) => sum + weight, 0);
  const all = last?.total.requests ?? 0;
  return tasks.map(({ method, name, weight }) => {
    const row = last?.rows.find((found) => found.name === name && found.method === method);
    return {
      task: `${method} ${name}`,
      planned: weights === 0 ? 0 : weight / weights,
      measured: all === 0 ? 0 : (row?.requests ?? 0) / all,
    };
  });
}

// An SVG's sizes are attributes: the page's policy lets no style attribute in.
const bar = (share: number): TemplateResult =>
  html`<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
      <rect width=${share * 100} height="8"></rect></svg
    ><span>${percent(share)}</span>`;

const ratioColumns: Column<Ratio>[] = [
  { title: "Task", key: ({ task }) => task },
  {
    title: "Planned share",
    text: true,
    key: ({ planned }) => planned,
    cell: ({ planned }) => bar(planned),
  },
  {
    title: "Share so far",
    text: true,
    key: ({ measured }) => measured,
    cell: ({ measured }) => bar(measured),
  },
];

export function ratio(state: State, actions: Actions): TemplateResult {
  const rows = ratios(state.view);
  return rows.length === 0
    ? nothingYet("This scenario names its tasks as they run; see Statistics.")
    : table(
        { id: "ratio", caption: "Share of each task in all requests", columns: ratioColumns, rows },
        state,
        actions,
      );
}

export const logs = ({ view }: State): TemplateResult =>
  view.logs.length === 0
    ? nothingYet("Nothing has been logged.")
    : html`<div class="logs" role="log" aria-label="Log" tabindex="0">
        <ol>
          ${view.logs.map(
            ({ at, level, text }) =>
              html`<li class=${`level-${level}`}>
                <time>${clock(at)}</time><span class="level">${level}</span><span>${text}</span>
              </li>`,
          )}
        </ol>
      </div>`;

const workerColumns: Column<WorkerRow>[] = [
  { title: "Worker", key: ({ id }) => id },
  {
    title: "State",
    key: ({ state }) => state,
    cell: ({ state }) => html`<span class="state ${state}">${state}</span>`,
  },
  { title: "Users", key: ({ users }) => users, cell: ({ users }) => count(users) },
  {
    title: "CPU",
    about: "Share of one core",
    key: ({ cpu }) => cpu,
    cell: ({ cpu }) => percent(cpu),
  },
  {
    title: "Send lag",
    about: "99 of 100 sends in the last second were no later than this",
    key: ({ lagMs }) => lagMs,
    cell: ({ lagMs }) => `${ms(lagMs)} ms`,
  },
  {
    title: "Memory",
    key: ({ memory }) => memory,
    cell: ({ memory }) => (memory === 0 ? "–" : bytes(memory)),
  },
];

export const workers = (state: State, actions: Actions): TemplateResult =>
  state.view.workers.length === 0
    ? nothingYet("No worker has joined yet; a run begins when one has.")
    : table(
        {
          id: "workers",
          caption: "Workers of the load test",
          columns: workerColumns,
          rows: state.view.workers,
        },
        state,
        actions,
      );
