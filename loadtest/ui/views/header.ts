// The top of the page: what is loaded, how it goes, and what can be done about it.
import { html, nothing, svg, type SVGTemplateResult, type TemplateResult } from "lit-html";
import type { RunView } from "../../events.ts";
import type { Actions } from "../app.ts";
import { bytes, count, day, elapsed, ms, percent, rate, shortImage } from "../format.ts";
import { isActive, measuredSeconds, type State } from "../state.ts";
import { chooseTheme, theme } from "../theme.ts";

const states = {
  spawning: "Ramping up",
  running: "Running",
  stopping: "Stopping",
  stopped: "Stopped",
} as const;

/** How long a warning of the last seconds stays: one that comes and goes could not be read. */
const heldTicks = 5;

/** Why the numbers are about the generator; null when they are about the target. */
export function limitedBy({ ended, ticks }: Pick<RunView, "ended" | "ticks">): string | null {
  if (ended !== undefined) return ended.limited;
  return ticks.slice(-heldTicks).findLast(({ limited }) => limited !== null)?.limited ?? null;
}

const figure = (title: string, value: unknown, more?: unknown, kind = ""): TemplateResult =>
  html`<div class="figure ${kind}">
    <dt>${title}</dt>
    <dd>${value}${more === undefined ? nothing : html` <small>${more}</small>`}</dd>
  </div>`;

function figures({ view }: State): TemplateResult {
  const { started, last, ended } = view;
  const total = last?.total;
  const seconds = started === undefined ? 0 : ((ended ?? last)?.at ?? started.at) - started.at;
  // A finished run is told by all of it, one that goes on by its last second.
  const done = ended !== undefined;
  const share = total === undefined || total.requests === 0 ? 0 : total.failures / total.requests;
  return html`<dl class="figures">
    ${
      done && started?.users == null
        ? nothing
        : figure(
            "Users",
            count(done ? (started?.users ?? 0) : (last?.users ?? 0)),
            done || started?.users == null || started.users === last?.users
              ? undefined
              : `of ${count(started.users)}`,
          )
    }
    ${figure(
      done ? "Mean RPS" : "RPS",
      total === undefined ? "–" : rate(done ? total.requests / measuredSeconds(view) : total.rps),
    )}
    ${figure(
      "Failures",
      percent(share),
      total === undefined || total.failures === 0 ? undefined : count(total.failures),
      share > 0 ? "bad" : "",
    )}
    ${figure("p50", total === undefined ? "–" : ms(done ? total.quantiles[0]! : total.p50), "ms")}
    ${figure("p95", total === undefined ? "–" : ms(done ? total.quantiles[5]! : total.p95), "ms")}
    ${figure("p99", total === undefined ? "–" : ms(done ? total.quantiles[7]! : total.p99), "ms")}
    ${figure("Requests", total === undefined ? "–" : count(total.requests))}
    ${figure(
      "Time",
      elapsed(seconds),
      started?.runTime == null || done ? undefined : `of ${elapsed(started.runTime)}`,
    )}
  </dl>`;
}

function controls(state: State, actions: Actions): TemplateResult | typeof nothing {
  const { view, busy } = state;
  if (state.kind === "report" || view.started === undefined) return nothing;
  const button = (label: string, click: () => void, kind = "", disabled = busy): TemplateResult =>
    html`<button type="button" class=${kind} ?disabled=${disabled} @click=${click}>
      ${label}
    </button>`;
  return html`<div class="controls">
    ${
      isActive(state)
        ? html`${
            view.started.users === null
              ? nothing
              : button("Edit", () => {
                  actions.open("edit");
                })
          }
          ${button("Reset", () => {
            actions.reset();
          })}
          ${button(
            view.state === "stopping" ? "Stop now" : "Stop",
            () => {
              actions.stop();
            },
            "stop",
          )}`
        : button(
            "New",
            () => {
              actions.open("new");
            },
            "primary",
          )
    }
  </div>`;
}

/** The words a screen reader hears when something has changed. */
function announcement(state: State): string {
  const { view } = state;
  if (view.started === undefined) return "";
  const limited = limitedBy(view);
  return [
    view.ended === undefined ? `${states[view.state]}.` : `Finished: ${view.ended.reason}.`,
    limited === null ? "" : `Generator-limited: ${limited}.`,
    state.connection === "lost" ? "Connection to the master lost." : "",
  ].join(" ");
}

function facts({ view }: State): TemplateResult | typeof nothing {
  const { started } = view;
  if (started === undefined) return nothing;
  const { stack } = started;
  const known = [
    stack === null ? null : `stack ${stack.name}`,
    stack?.replicas == null ? null : `${count(stack.replicas)} × ${stack.cpus ?? "?"} cpu`,
    stack?.memory == null ? null : bytes(stack.memory),
    stack?.model ?? null,
    stack?.image == null || stack.image === "" ? null : `image ${shortImage(stack.image)}`,
  ].filter((fact) => fact !== null);
  return html`<p class="facts">
    <b>${started.host}</b> <span>${started.scenario}</span>
    <span>${started.load}</span> ${known.map((fact) => html`<span>${fact}</span>`)}
    <span>${day(started.at)}</span>
  </p>`;
}

function warnings(state: State): TemplateResult {
  const { view, connection, refused, dialog } = state;
  const limited = limitedBy(view);
  const interrupted = view.ended?.interrupted ?? 0;
  return html`${
    limited === null
      ? nothing
      : html`<p class="warning">
          <b>Generator-limited</b> ${limited}. These numbers are about the load generator, not about
          the target.
        </p>`
  }
  ${(view.ended?.notes ?? []).map((note) => html`<p class="warning">${note}</p>`)}
  ${
    interrupted === 0
      ? nothing
      : html`<p class="note">
          ${count(interrupted)} requests were under way when the run was cut short; they are not
          counted.
        </p>`
  }
  ${
    connection === "lost"
      ? html`<p class="warning"><b>Connection lost</b> Trying to reach the master again …</p>`
      : nothing
  }
  ${
    refused !== null && dialog === null && view.started !== undefined
      ? html`<p class="refused" role="alert">${refused}</p>`
      : nothing
  }`;
}

const icon = (shape: SVGTemplateResult): TemplateResult =>
  html`<svg
    viewBox="0 0 24 24"
    fill="none"
    stroke="currentColor"
    stroke-width="2"
    stroke-linecap="round"
    stroke-linejoin="round"
    aria-hidden="true"
  >
    ${shape}
  </svg>`;
const moon = icon(svg`<path d="M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z" />`);
const sun = icon(
  svg`<circle cx="12" cy="12" r="4.2" /><path d="M12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.300 5.300l1.400 1.400M17.300 17.300l1.400 1.400M5.300 18.700l1.400-1.400M17.300 6.700l1.400-1.400" />`,
);

export function header(state: State, actions: Actions): TemplateResult {
  const { view, kind } = state;
  const next = theme() === "dark" ? "light" : "dark";
  const word =
    view.started === undefined
      ? "Ready"
      : view.ended === undefined
        ? states[view.state]
        : `Finished: ${view.ended.reason}`;
  return html`<header>
    <div class="title">
      <h1>${kind === "report" ? "Load test report" : "Load test"}</h1>
      <span class="state ${view.started === undefined ? "ready" : view.state}">${word}</span>
      <button
        type="button"
        class="theme"
        aria-label=${`Switch to ${next} colours`}
        title=${`Switch to ${next} colours`}
        @click=${() => {
          chooseTheme(next);
        }}
      >
        ${next === "dark" ? moon : sun}
      </button>
    </div>
    ${facts(state)}
    ${
      view.started === undefined
        ? nothing
        : html`<section class="status" aria-label="Status">
            ${figures(state)} ${controls(state, actions)}
          </section>`
    }
    ${warnings(state)}
    <p class="unseen" role="status">${announcement(state)}</p>
  </header>`;
}
