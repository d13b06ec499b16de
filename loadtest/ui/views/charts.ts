import { html, type TemplateResult } from "lit-html";
import { chartsOf, type Chart } from "../charts.ts";
import type { State } from "../state.ts";
import { nothingYet } from "./empty.ts";

export const chartCards = (charts: readonly Chart[]): TemplateResult =>
  html`<div class="charts">
    ${charts.map(
      (chart) =>
        html`<figure class="card" id=${`chart-${chart.id}`}>
          <figcaption>${chart.title}</figcaption>
          <run-chart .chart=${chart}></run-chart>
        </figure>`,
    )}
  </div>`;

export const charts = ({ view }: State): TemplateResult =>
  view.ticks.length === 0 ? nothingYet("No second has passed yet.") : chartCards(chartsOf(view));
