import { html, nothing, type TemplateResult } from "lit-html";
import type { RunSummary } from "../../api.ts";
import type { Actions } from "../app.ts";
import { overlaid } from "../charts.ts";
import { compareRows, failureShare, letter, verdictOf } from "../compare.ts";
import { bytes, count, day, ms, percent, rate, shortImage } from "../format.ts";
import type { State } from "../state.ts";
import { chartCards } from "./charts.ts";
import { nothingYet } from "./empty.ts";
import { table, type Column } from "./table.ts";

const columns = ({ runs }: State, actions: Actions): Column<RunSummary>[] => [
  {
    title: "Compare",
    key: ({ id }) => (runs.chosen.includes(id) ? "1" : "0"),
    cell: (run) =>
      html`<label class="choose"
        ><input
          type="checkbox"
          aria-label=${`Compare the run of ${day(run.startedAt)}`}
          .checked=${runs.chosen.includes(run.id)}
          @change=${(event: Event) => {
            actions.choose(run.id, (event.currentTarget as HTMLInputElement).checked);
          }}
        />${runs.chosen.includes(run.id) ? html`<b>${letter(runs.chosen.indexOf(run.id))}</b>` : nothing}</label
      >`,
  },
  {
    title: "Started",
    key: ({ startedAt }) => startedAt,
    text: true,
    cell: ({ id, startedAt }) =>
      html`<a href=${`/api/runs/${encodeURIComponent(id)}/report`} target="_blank" rel="noopener"
        >${day(startedAt)}</a
      >`,
  },
  { title: "Load", key: ({ load }) => load },
  {
    title: "Stack",
    key: ({ stack }) => (stack?.replicas ?? 0) * 1000 + (stack?.cpus ?? 0),
    text: true,
    cell: ({ stack }) =>
      stack?.replicas == null
        ? "–"
        : `${stack.replicas} × ${stack.cpus ?? "?"} cpu${stack.memory === null ? "" : `, ${bytes(stack.memory)}`}`,
  },
  {
    title: "Model, image",
    key: ({ stack }) => stack?.model ?? "–",
    cell: ({ stack }) =>
      html`${stack?.model ?? "–"}${
        stack?.image == null || stack.image === ""
          ? nothing
          : html`<small class="below" title=${stack.image}>${shortImage(stack.image)}</small>`
      }`,
  },
  { title: "Requests", key: ({ requests }) => requests, cell: ({ requests }) => count(requests) },
  {
    title: "Fails",
    key: failureShare,
    cell: (run) =>
      html`<span class=${run.failures > 0 ? "bad" : ""}>${percent(failureShare(run))}</span>`,
  },
  { title: "RPS", key: ({ rps }) => rps, cell: ({ rps }) => rate(rps) },
  { title: "p50 ms", key: ({ p50 }) => p50, cell: ({ p50 }) => ms(p50) },
  { title: "p95 ms", key: ({ p95 }) => p95, cell: ({ p95 }) => ms(p95) },
  { title: "p99 ms", key: ({ p99 }) => p99, cell: ({ p99 }) => ms(p99) },
  { title: "Result", key: verdictOf },
  {
    title: "Forget",
    unseen: true,
    key: ({ id }) => id,
    cell: (run) =>
      html`<button
        type="button"
        class="quiet"
        aria-label=${`Forget the run of ${day(run.startedAt)}`}
        @click=${() => {
          if (confirm(`Forget the run of ${day(run.startedAt)} for good?`)) actions.forget(run.id);
        }}
      >
        ✕
      </button>`,
  },
];

function comparison({ runs }: State): TemplateResult | typeof nothing {
  const chosen = runs.chosen
    .map((id) => runs.listed?.find((run) => run.id === id))
    .filter((run) => run !== undefined);
  if (chosen.length < 2) return nothing;
  const views = chosen.flatMap((run, i) => {
    const view = runs.views.get(run.id);
    return view === undefined ? [] : [{ label: letter(i), view }];
  });
  return html`<section class="comparison" aria-label="Comparison">
    <h2>Side by side</h2>
    <div class="scroll" role="region" aria-label="Runs side by side" tabindex="0">
      <table class="compare">
        <caption>
          Changes are against run A
        </caption>
        <thead>
          <tr>
            <th scope="col">Run</th>
            ${chosen.map(
              (_, i) =>
                html`<th scope="col" class="number">
                  <i class="swatch ${`hue-${(i % 8) + 1}`}"></i>${letter(i)}
                </th>`,
            )}
          </tr>
        </thead>
        <tbody>
          ${compareRows(chosen).map(
            ({ title, cells }) =>
              html`<tr>
                <th scope="row">${title}</th>
                ${cells.map(
                  ({ text, full, change }) =>
                    html`<td class="number" title=${full ?? nothing}>
                      ${text}
                      ${change === null ? nothing : html`<small class=${change.verdict}>${change.text}</small>`}
                    </td>`,
                )}
              </tr>`,
          )}
        </tbody>
      </table>
    </div>
    ${chartCards(overlaid(views))}
  </section>`;
}

export function runs(state: State, actions: Actions): TemplateResult {
  const { listed } = state.runs;
  if (listed === undefined) return nothingYet("Asking the master …");
  if (listed.length === 0) return nothingYet("No run has finished yet.");
  return html`${table(
    {
      id: "runs",
      caption: "Finished runs; choose two or more to compare",
      columns: columns(state, actions),
      rows: listed,
    },
    state,
    actions,
  )}
  ${comparison(state)}`;
}
