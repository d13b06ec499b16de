import { html, nothing, type TemplateResult } from "lit-html";
import type { Actions } from "../app.ts";
import type { State } from "../state.ts";
import { capacity } from "./capacity.ts";
import { charts } from "./charts.ts";
import { download } from "./download.ts";
import { exceptions, failures, logs, ratio, workers } from "./lists.ts";
import { runs } from "./runs.ts";
import { statistics } from "./statistics.ts";

interface Tab {
  id: string;
  title: string;
  panel: (state: State, actions: Actions) => TemplateResult;
  /** How many entries there are, where that is worth a look. */
  badge?: (state: State) => number;
  /** Needs a master; a saved report has none. */
  live?: true;
}

/** A further tab is one more line here. */
const tabs: readonly Tab[] = [
  { id: "statistics", title: "Statistics", panel: statistics },
  { id: "charts", title: "Charts", panel: charts },
  { id: "failures", title: "Failures", panel: failures, badge: ({ view }) => view.failures.length },
  {
    id: "exceptions",
    title: "Exceptions",
    panel: exceptions,
    badge: ({ view }) => view.exceptions.length,
  },
  { id: "ratio", title: "Current ratio", panel: ratio },
  { id: "download", title: "Download data", panel: download, live: true },
  { id: "logs", title: "Logs", panel: logs },
  { id: "workers", title: "Workers", panel: workers },
  { id: "capacity", title: "Capacity", panel: capacity, live: true },
  { id: "runs", title: "Runs", panel: runs, live: true },
];

const shown = ({ kind }: State): readonly Tab[] =>
  kind === "live" ? tabs : tabs.filter(({ live }) => live !== true);

/** The tab an address such as "#charts" names; the first when it names none. */
export const tabOf = (hash: string, state: State): string =>
  shown(state).find(({ id }) => `#${id}` === hash)?.id ?? "statistics";

/** Where an arrow, Home or End leads from one of `length` tabs; undefined for other keys. */
export function nextTab(key: string, at: number, length: number): number | undefined {
  switch (key) {
    case "ArrowRight":
      return (at + 1) % length;
    case "ArrowLeft":
      return (at + length - 1) % length;
    case "Home":
      return 0;
    case "End":
      return length - 1;
    default:
      return undefined;
  }
}

export function tabbed(state: State, actions: Actions): TemplateResult {
  const all = shown(state);
  const now = all.find(({ id }) => id === state.tab) ?? all[0]!;
  return html`<main>
    <div
      class="tabs"
      role="tablist"
      aria-label="Results"
      @keydown=${(event: KeyboardEvent) => {
        // The tab chosen by now, which the last drawing may not know yet.
        const at = all.findIndex(({ id }) => id === state.tab);
        const to = nextTab(event.key, at, all.length);
        if (to === undefined) return;
        event.preventDefault();
        actions.tab(all[to]!.id);
        document.getElementById(`tab-${all[to]!.id}`)?.focus();
      }}
    >
      ${all.map((tab) => {
        const chosen = tab === now;
        const badge = tab.badge?.(state) ?? 0;
        return html`<button
          type="button"
          role="tab"
          id=${`tab-${tab.id}`}
          aria-selected=${String(chosen)}
          aria-controls="panel"
          tabindex=${chosen ? 0 : -1}
          @click=${() => {
            actions.tab(tab.id);
          }}
        >
          ${tab.title}${badge === 0 ? nothing : html` <span class="badge">${badge}</span>`}
        </button>`;
      })}
    </div>
    <div id="panel" role="tabpanel" aria-labelledby=${`tab-${now.id}`}>
      ${now.panel(state, actions)}
    </div>
  </main>`;
}
