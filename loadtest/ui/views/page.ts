import { html, nothing, type TemplateResult } from "lit-html";
import type { Actions } from "../app.ts";
import type { Dialog, State } from "../state.ts";
import { header } from "./header.ts";
import { workers } from "./lists.ts";
import { runs } from "./runs.ts";
import { startForm } from "./start-form.ts";
import { tabbed } from "./tabs.ts";

const tokenForm = ({ refused, busy }: State, actions: Actions): TemplateResult =>
  html`<form
    class="start"
    @submit=${(event: SubmitEvent) => {
      event.preventDefault();
      actions.login(event.currentTarget as HTMLFormElement);
    }}
  >
    <p>
      Whoever comes from another machine or container is asked for the stack's token:
      <code>npx pulumi stack output loadtestToken --show-secrets -s dev</code>, or of the stack it
      belongs to
    </p>
    <div class="field">
      <label for="token">Token</label>
      <input id="token" name="token" type="password" required autocomplete="current-password" />
    </div>
    ${refused === null ? nothing : html`<p class="refused" role="alert">${refused}</p>`}
    <div class="buttons">
      <button type="submit" class="primary" ?disabled=${busy}>Sign in</button>
    </div>
  </form>`;

const dialogs: Record<Dialog, { title: string; body: (s: State, a: Actions) => TemplateResult }> = {
  new: { title: "New run", body: (state, actions) => startForm(state, actions, "new") },
  edit: { title: "Edit the run", body: (state, actions) => startForm(state, actions, "edit") },
  token: { title: "Sign in", body: tokenForm },
};

/** What a dialog returns that the page closed, and not the browser of its own accord. */
export const closedByDrawing = "drawn";

function dialog(state: State, actions: Actions): TemplateResult {
  const shown = state.dialog === null ? undefined : dialogs[state.dialog];
  return html`<dialog
    aria-labelledby="dialog-title"
    @cancel=${(event: Event) => {
      // Escape: closed by the next drawing, as by any button.
      event.preventDefault();
      actions.close();
    }}
    @close=${(event: Event) => {
      // Told late: a dialog that was opened again since then stays.
      const { open, returnValue } = event.currentTarget as HTMLDialogElement;
      if (!open && returnValue !== closedByDrawing && state.dialog !== null) actions.close();
    }}
  >
    ${
      shown === undefined
        ? nothing
        : html`<h2 id="dialog-title">${shown.title}</h2>
            ${shown.body(state, actions)}`
    }
  </dialog>`;
}

/** Before the first run: the form, and beside it what there is to run with. */
const start = (state: State, actions: Actions): TemplateResult =>
  state.locked
    ? html`<main class="locked">
        <button
          ?hidden=${state.dialog !== null}
          type="button"
          class="primary"
          @click=${() => {
            actions.open("token");
          }}
        >
          Sign in
        </button>
      </main>`
    : html`<main class="first">
        <section class="card" aria-labelledby="start-title">
          <h2 id="start-title">Start a run</h2>
          ${state.dialog === null ? startForm(state, actions, "new") : nothing}
        </section>
        <div class="beside">${workers(state, actions)} ${runs(state, actions)}</div>
      </main>`;

export const page = (state: State, actions: Actions): TemplateResult =>
  html`${header(state, actions)}
  ${
    state.view.started === undefined && state.kind === "live"
      ? start(state, actions)
      : tabbed(state, actions)
  }
  ${dialog(state, actions)}`;
