// A capacity search: how it stands, which limits hold, and every trial it made.
import { html, nothing, type TemplateResult } from "lit-html";
import type { ToldLimits, ToldSearch, ToldTrial } from "../../told-search.ts";
import type { Actions } from "../app.ts";
import { count, duration, ms, rate } from "../format.ts";
import type { State } from "../state.ts";
import { nothingYet } from "./empty.ts";
import { table, type Column } from "./table.ts";

const same = (a: ToldLimits, b: ToldLimits): boolean =>
  a.cpus === b.cpus && a.memory === b.memory && a.replicas === b.replicas;

/** "2 × 0.25 CPU, 128 MiB" */
export const limitsText = ({ cpus, memory, replicas }: ToldLimits): string =>
  `${replicas > 1 ? `${replicas} × ` : ""}${cpus} CPU, ${memory} MiB`;

/** What is known of one configuration. */
export interface Cell {
  kind: "untried" | "holds" | "mixed" | "fails" | "void";
  /** Trials that say something, and those of them that passed. */
  made: number;
  passed: number;
  best: boolean;
  now: boolean;
}

export function cellOf({ trials, best, now }: ToldSearch, limits: ToldLimits): Cell {
  const own = trials.filter((trial) => same(trial.limits, limits));
  const telling = own.filter(({ verdict }) => verdict !== "void");
  const made = telling.length;
  const passed = telling.filter(({ verdict }) => verdict === "pass").length;
  return {
    kind:
      own.length === 0
        ? "untried"
        : made === 0
          ? "void"
          : passed === made
            ? "holds"
            : passed === 0
              ? "fails"
              : "mixed",
    made,
    passed,
    best: best !== null && same(best.limits, limits),
    now: now !== null && same(now.limits, limits),
  };
}

const words: Record<Cell["kind"], string> = {
  untried: "not tried",
  holds: "held",
  mixed: "held at times",
  fails: "failed",
  void: "void",
};

const cell = ({ kind, made, passed, best, now }: Cell): TemplateResult =>
  html`<td class="cell ${kind}${best ? " best" : ""}${now ? " now" : ""}">
    ${best ? html`<b>best</b> ` : nothing}${now ? "trying… " : nothing}${
      kind === "untried"
        ? now
          ? nothing
          : "–"
        : `${words[kind]}${made === 0 ? "" : ` ${passed}/${made}`}`
    }
  </td>`;

/** Which limits hold: memory down, CPUs across; one map for each number of replicas tried. */
function map(search: ToldSearch, replicas: number): TemplateResult {
  const { cpus, memory } = search.axes;
  const title = `Trials passed of those made, ${replicas === 1 ? "1 replica" : `${replicas} replicas`}`;
  return html`<div class="scroll" role="region" aria-label=${title} tabindex="0">
    <table class="map">
      <caption>
        ${title}
      </caption>
      <thead>
        <tr>
          <th scope="col">Memory</th>
          ${cpus.map((value) => html`<th scope="col">${value} CPU</th>`)}
        </tr>
      </thead>
      <tbody>
        ${memory.toReversed().map(
          (size) =>
            html`<tr>
              <th scope="row">${size} MiB</th>
              ${cpus.map((value) => cell(cellOf(search, { cpus: value, memory: size, replicas })))}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

/** How a declared table stands. */
function standingOfTable(
  made: readonly ToldTrial[],
  declared: number,
  now: ToldLimits | null,
): string {
  const held = made.filter(({ verdict }) => verdict === "pass").length;
  return now === null
    ? `${made.length} of ${declared} trials are made; ${held} held.`
    : `Trial ${made.length + 1} of ${declared}: ${limitsText(now)}.`;
}

/** How the search stands, in a sentence. */
export function standing({ now, best, declared, ended, trials }: ToldSearch): string {
  if (declared !== null) return standingOfTable(trials, declared, now?.limits ?? null);
  const found =
    best === null
      ? "Nothing has held yet"
      : `${best.proven ? "The answer is" : "The best so far is"} ${limitsText(best.limits)}`;
  if (ended) {
    const proof =
      best === null ? "" : best.proven ? ", and less does not hold" : ", not yet proven";
    return best === null ? "The search has ended: nothing held." : `${found}${proof}.`;
  }
  return now === null
    ? `${found}.`
    : `${found}. Trial ${trials.length + 1}: ${limitsText(now.limits)} (${now.purpose}).`;
}

const columns: Column<ToldTrial & { n: number }>[] = [
  { title: "Trial", key: ({ n }) => n },
  { title: "CPUs", key: ({ limits }) => limits.cpus },
  {
    title: "Memory",
    key: ({ limits }) => limits.memory,
    cell: ({ limits }) => `${limits.memory} MiB`,
  },
  { title: "Replicas", key: ({ limits }) => limits.replicas },
  { title: "Why", key: ({ purpose }) => purpose },
  {
    title: "Verdict",
    key: ({ verdict }) => verdict,
    cell: ({ verdict }) => html`<span class="verdict ${verdict}">${verdict}</span>`,
  },
  {
    title: "p95",
    key: ({ p95 }) => p95 ?? -1,
    cell: ({ p95 }) => (p95 === null ? "–" : `${ms(p95)} ms`),
  },
  { title: "Requests/s", key: ({ rps }) => rps, cell: ({ rps }) => rate(rps) },
  { title: "Failed", key: ({ failures }) => failures, cell: ({ failures }) => count(failures) },
  { title: "Took", key: ({ seconds }) => seconds, cell: ({ seconds }) => duration(seconds) },
  {
    title: "What decided",
    key: ({ said }) => said,
    cell: ({ said }) => html`<span class="wrap">${said}</span>`,
  },
];

export function capacity(state: State, actions: Actions): TemplateResult {
  const search = state.view.capacity;
  if (search === undefined) {
    return nothingYet(
      "No capacity search has told of itself: npm run capacity -- --users 10000 --slo 'p95<500ms,failures=0'.",
    );
  }
  const tried = new Set(
    [...search.trials, ...(search.now === null ? [] : [search.now])].map(
      ({ limits }) => limits.replicas,
    ),
  );
  const { replicas } = search.axes;
  const shown = replicas.filter((number) => tried.has(number));
  return html`<section class="capacity" aria-label="Capacity search">
    <p class="search"><b>${search.question}</b> <span>${standing(search)}</span></p>
    ${(shown.length === 0 ? replicas.slice(0, 1) : shown).map((number) => map(search, number))}
    ${
      search.trials.length === 0
        ? nothing
        : table(
            {
              id: "capacity",
              caption: "Trials",
              columns,
              rows: search.trials.map((trial, i) => ({ ...trial, n: i + 1 })),
            },
            state,
            actions,
          )
    }
  </section>`;
}
