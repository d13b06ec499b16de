// The page itself, live or saved: folds a run's events and shows what comes of them.
import { render } from "lit-html";
import { fold } from "../events.ts";
import { App } from "./app.ts";
import type { PageData } from "./document.ts";
import "./run-chart.ts";
import { recallTheme } from "./theme.ts";
import { closedByDrawing, page } from "./views/page.ts";
import { tabOf } from "./views/tabs.ts";

const root = document.getElementById("app")!;
const data = JSON.parse(document.getElementById("data")!.textContent) as PageData;

const app = new App(data.kind, (state, actions) => {
  render(page(state, actions), root);
  root
    .querySelector('[role="tab"][aria-selected="true"]')
    ?.scrollIntoView({ block: "nearest", inline: "nearest" });
  // A dialog opens and closes by its methods alone; closing gives the focus back.
  const dialog = root.querySelector("dialog")!;
  if (state.dialog !== null && !dialog.open) {
    dialog.returnValue = "";
    dialog.showModal();
  }
  if (state.dialog === null && dialog.open) dialog.close(closedByDrawing);
});

recallTheme();
app.state.tab = tabOf(location.hash, app.state);
addEventListener("theme", () => {
  app.changed();
});
addEventListener("hashchange", () => {
  app.tab(tabOf(location.hash, app.state));
});
if (data.kind === "report") for (const event of data.events) fold(app.state.view, event);
else app.connect();
app.changed();
