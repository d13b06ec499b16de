import { html, nothing, type TemplateResult } from "lit-html";
import type { Actions } from "../app.ts";
import { parseThink, thinkKinds } from "../form.ts";
import type { State } from "../state.ts";

/** A labelled field; the hint is read out with it. */
function field(label: string, id: string, input: TemplateResult, hint?: string): TemplateResult {
  return html`<div class="field">
    <label for=${id}>${label}</label>
    ${input} ${hint === undefined ? nothing : html`<small id=${`${id}-hint`}>${hint}</small>`}
  </div>`;
}

const durationPattern = String.raw`\s*(\d+(\.\d+)?|(\d+(\.\d+)?(ms|s|m|h|d))+)\s*`;

/** Shows the fields that belong to what is chosen; the others are neither seen nor sent. */
function arrange(form: HTMLFormElement): void {
  for (const part of form.querySelectorAll<HTMLFieldSetElement>("fieldset[data-when]")) {
    const [name = "", ...values] = (part.dataset["when"] ?? "").split(" ");
    const chosen = new FormData(form).get(name);
    part.disabled = part.hidden = typeof chosen !== "string" || !values.includes(chosen);
  }
}

/** The form that starts a run, or changes the users of the one that goes on. */
export function startForm(
  { server, refused, busy, view }: State,
  actions: Actions,
  kind: "new" | "edit",
): TemplateResult {
  if (server === undefined) return html`<p class="empty">Asking the master …</p>`;
  const { defaults, targets } = server;
  const before = kind === "edit" ? view.started : undefined;
  const think = parseThink(defaults.think_time);
  const open = defaults.rate !== "";
  const users = html`<div class="pair">
    ${
      kind === "edit"
        ? field(
            "Users",
            "user_count",
            html`<input
              id="user_count"
              name="user_count"
              type="number"
              required
              min="0"
              .defaultValue=${String(before?.users ?? "")}
            />`,
          )
        : field(
            "Users",
            "user_count",
            html`<input
              id="user_count"
              name="user_count"
              required
              inputmode="numeric"
              autocomplete="off"
              pattern=${String.raw`\s*\d+\s*|\s*\d+:\w+(\s*,\s*\d+:\w+)*\s*`}
              title="A whole number, or steps such as 100:1m,500:2m"
              aria-describedby="user_count-hint"
              .defaultValue=${String(defaults.user_count)}
            />`,
            "At the peak; or steps: 100:1m,500:2m",
          )
    }
    ${field(
      "Ramp up",
      "spawn_rate",
      html`<input
        id="spawn_rate"
        name="spawn_rate"
        type="number"
        required
        min="0.001"
        step="any"
        aria-describedby="spawn_rate-hint"
        .defaultValue=${String(before?.spawnRate ?? defaults.spawn_rate)}
      />`,
      "New users a second",
    )}
  </div>`;
  return html`<form
    class="start"
    @change=${(event: Event) => {
      arrange(event.currentTarget as HTMLFormElement);
    }}
    @submit=${(event: SubmitEvent) => {
      event.preventDefault();
      actions.swarm(event.currentTarget as HTMLFormElement);
    }}
  >
    ${kind === "edit" ? users : newRun()}
    ${refused === null ? nothing : html`<p class="refused" role="alert">${refused}</p>`}
    <div class="buttons">
      ${
        kind === "edit" || view.started !== undefined
          ? html`<button type="button" @click=${actions.close.bind(actions)}>Cancel</button>`
          : nothing
      }
      <button type="submit" class="primary" ?disabled=${busy}>
        ${kind === "edit" ? "Change users" : busy ? "Starting …" : "Start"}
      </button>
    </div>
  </form>`;

  function newRun(): TemplateResult {
    return html`<fieldset class="choice">
        <legend>Load</legend>
        <label
          ><input type="radio" name="load" value="users" ?checked=${!open} /><span
            >Users<small>each waits for its reply, then thinks</small></span
          ></label
        >
        <label
          ><input type="radio" name="load" value="rate" ?checked=${open} /><span
            >Arrival rate<small>requests come however slow the replies are</small></span
          ></label
        >
      </fieldset>
      <fieldset data-when="load users" ?hidden=${open} ?disabled=${open}>${users}</fieldset>
      <fieldset data-when="load rate" ?hidden=${!open} ?disabled=${!open}>
        ${field(
          "Requests a second",
          "rate",
          html`<input
            id="rate"
            name="rate"
            required
            autocomplete="off"
            pattern=${String.raw`[\d.\-:,\s\w]+`}
            title="A number, a ramp such as 0-1000:2m, or steps such as 500:1m,1000:1m"
            aria-describedby="rate-hint"
            .defaultValue=${defaults.rate}
          />`,
          "Constant: 500; ramp: 0-1000:2m; steps: 500:1m,1000:1m",
        )}
      </fieldset>
      ${field(
        "Host",
        "host",
        html`<input
            id="host"
            name="host"
            type="url"
            required
            list="targets"
            .defaultValue=${defaults.host}
          /><datalist id="targets">
            ${targets.filter((target) => target !== "*").map((target) => html`<option value=${target}></option>`)}
          </datalist>`,
      )}
      ${field(
        "Run time",
        "run_time",
        html`<input
          id="run_time"
          name="run_time"
          autocomplete="off"
          placeholder="until stopped"
          pattern=${durationPattern}
          title="Such as 90s, 2m or 1h30m"
          aria-describedby="run_time-hint"
          .defaultValue=${defaults.run_time}
        />`,
        "Such as 90s, 2m, 1h30m; empty runs until stopped",
      )}
      <details class="advanced">
        <summary>Advanced</summary>
        <fieldset data-when="load users" ?hidden=${open} ?disabled=${open}>
          <div class="pair">
            ${field(
              "Think time",
              "think_kind",
              html`<select id="think_kind" name="think_kind">
                ${Object.entries(thinkKinds).map(
                  ([value, label]) =>
                    html`<option value=${value} ?selected=${value === think.kind}>
                      ${label}
                    </option>`,
                )}
              </select>`,
            )}
            <div class="pair">
              ${field(
                "Seconds",
                "think_seconds",
                html`<input
                  id="think_seconds"
                  name="think_seconds"
                  type="number"
                  min="0"
                  step="any"
                  required
                  .defaultValue=${think.seconds}
                />`,
              )}
              <fieldset
                data-when="think_kind uniform"
                ?hidden=${think.kind !== "uniform"}
                ?disabled=${think.kind !== "uniform"}
              >
                ${field(
                  "to",
                  "think_to",
                  html`<input
                    id="think_to"
                    name="think_to"
                    type="number"
                    min="0"
                    step="any"
                    required
                    .defaultValue=${think.to}
                  />`,
                )}
              </fieldset>
            </div>
          </div>
        </fieldset>
        <div class="pair">
          ${field(
            "Warm-up",
            "warm_up",
            html`<input
              id="warm_up"
              name="warm_up"
              autocomplete="off"
              placeholder="none"
              pattern=${durationPattern}
              title="Such as 10s"
              aria-describedby="warm_up-hint"
              .defaultValue=${defaults.warm_up}
            />`,
            "Left out of the statistics",
          )}
          ${field(
            "Time limit of a reply",
            "timeout",
            html`<input
              id="timeout"
              name="timeout"
              autocomplete="off"
              pattern=${durationPattern}
              title="Such as 30s"
              .defaultValue=${defaults.timeout}
            />`,
          )}
        </div>
        ${field(
          "Path",
          "path",
          html`<input
            id="path"
            name="path"
            pattern="/.*"
            title="Begins with /"
            aria-describedby="path-hint"
            .defaultValue=${defaults.path}
          />`,
          "Where predictions are posted",
        )}
        ${field(
          "Thresholds",
          "threshold",
          html`<textarea
            id="threshold"
            name="threshold"
            rows="3"
            spellcheck="false"
            placeholder="p95<500ms"
            aria-describedby="threshold-hint"
            .defaultValue=${defaults.threshold.replaceAll(",", "\n")}
          ></textarea>`,
          "What must hold, one a line: p95<500ms, failures<1%, rps>1000; with !abort the run stops at once",
        )}
      </details>`;
  }
}
