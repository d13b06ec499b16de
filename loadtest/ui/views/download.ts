import { html, type TemplateResult } from "lit-html";

const files: readonly (readonly [href: string, title: string, about: string])[] = [
  [
    "/stats/report?download=1",
    "Report (HTML)",
    "One page with tables and charts; opens without a network",
  ],
  ["/stats/requests/csv", "Requests (CSV)", "One row for each task, columns as in Locust"],
  ["/stats/requests_full_history/csv", "History (CSV)", "One row for each second"],
  ["/stats/failures/csv", "Failures (CSV)", "One row for each kind of failure"],
  ["/exceptions/csv", "Exceptions (CSV)", "What the scenario's own code threw"],
  ["/stats/json", "Statistics (JSON)", "Locust's JSON, with the whole histograms"],
];

export const download = (): TemplateResult =>
  html`<ul class="files">
    ${files.map(
      ([href, title, about]) =>
        html`<li>
          <a href=${href} download>${title}</a>
          <span>${about}</span>
        </li>`,
    )}
  </ul>`;
