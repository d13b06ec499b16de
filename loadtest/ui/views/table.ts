// A table whose columns can be sorted; wide ones scroll inside their own box.
import { html, nothing, type TemplateResult } from "lit-html";
import type { Actions } from "../app.ts";
import type { Sort, State } from "../state.ts";

export interface Column<Row> {
  title: string;
  /** Told to screen readers alone, where the cells speak for themselves. */
  unseen?: true;
  /** What the column means, where its title is short. */
  about?: string;
  /** What it is sorted by. Numbers stand to the right. */
  key: (row: Row) => number | string;
  /** A date or the like, sorted by a number but read as text. */
  text?: true;
  /** What is shown; the key unless told. */
  cell?: (row: Row) => unknown;
}

export interface Table<Row> {
  id: string;
  caption: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  /** Stays last however the rest is sorted. */
  total?: Row | undefined;
}

/** Rows in the order asked for; equal ones keep theirs. */
export function sorted<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  sort: Sort | undefined,
): readonly Row[] {
  const key = sort === undefined ? undefined : columns[sort.column]?.key;
  if (sort === undefined || key === undefined) return rows;
  const sign = sort.descending ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    return sign * (typeof x === "number" && typeof y === "number" ? x - y : compare(x, y));
  });
}

const compare = (a: number | string, b: number | string): number =>
  String(a).localeCompare(String(b), "en", { numeric: true });

export function table<Row>(
  { id, caption, columns, rows, total }: Table<Row>,
  { sort }: Pick<State, "sort">,
  actions: Pick<Actions, "sort">,
): TemplateResult {
  const now = sort[id];
  const first = rows[0] ?? total;
  const numeric = columns.map(
    ({ key, text }) => text !== true && first !== undefined && typeof key(first) === "number",
  );
  const cells = (row: Row): TemplateResult[] =>
    columns.map(({ key, cell }, i) => {
      const value = (cell ?? key)(row);
      return html`<td class=${numeric[i] === true ? "number" : nothing}>${value}</td>`;
    });
  return html`<div class="scroll" role="region" aria-label=${caption} tabindex="0">
    <table>
      <caption>
        ${caption}
      </caption>
      <thead>
        <tr>
          ${columns.map(({ title, unseen, about }, i) => {
            const order =
              now?.column === i ? (now.descending ? "descending" : "ascending") : undefined;
            if (unseen === true)
              return html`<th scope="col"><span class="unseen">${title}</span></th>`;
            return html`<th
              scope="col"
              class=${numeric[i] === true ? "number" : nothing}
              aria-sort=${order ?? nothing}
            >
              <button
                type="button"
                title=${about ?? nothing}
                @click=${() => {
                  actions.sort(id, i);
                }}
              >
                ${title}<span class="order" aria-hidden="true"
                  >${order === undefined ? "" : order === "descending" ? "↓" : "↑"}</span
                >
              </button>
            </th>`;
          })}
        </tr>
      </thead>
      <tbody>
        ${sorted(rows, columns, now).map(
          (row) =>
            html`<tr>
              ${cells(row)}
            </tr>`,
        )}
      </tbody>
      ${
        total === undefined
          ? nothing
          : html`<tfoot>
              <tr>
                ${cells(total)}
              </tr>
            </tfoot>`
      }
    </table>
  </div>`;
}
