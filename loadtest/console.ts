// A run on the console: a line each second while it goes on, tables and files when it has ended.
import { emptyView, fold, type RunEvent, type RunView } from "./events.ts";
import type { Outputs } from "./flags.ts";
import { exitCode, writeFiles } from "./report/files.ts";
import { statsJson } from "./report/json.ts";
import { finalTables, progressLine } from "./report/table.ts";
import { onToldToEnd } from "./told-to-end.ts";

export class Console {
  readonly view: RunView = emptyView();
  readonly #outputs: Outputs;
  #events: RunEvent[] = [];

  constructor(outputs: Outputs) {
    this.#outputs = outputs;
  }

  show(event: RunEvent): void {
    fold(this.view, event);
    // Of several runs, one after another on a page, each has files of its own.
    if (event.type === "started") this.#events = [];
    this.#events.push(event);
    if (event.type === "started") {
      console.error(`${event.scenario} on ${event.host}: ${event.load}`);
    } else if (event.type === "tick" && !this.#outputs.onlySummary) {
      console.error(progressLine(this.view));
    } else if (event.type === "log") {
      console.error(`${event.level}: ${event.text}`);
    }
  }

  /** Prints the tables and writes the files; the status to exit with. */
  async close(): Promise<number> {
    const { view } = this;
    const tables = finalTables(view);
    if (this.#outputs.json && view.ended !== undefined) {
      console.error(tables);
      console.log(JSON.stringify(statsJson(view, view.ended), null, 4));
    } else console.log(`\n${tables}`);
    const files = await writeFiles(view, this.#events, this.#outputs);
    if (files.length > 0) console.error(`\nwritten: ${files.join(", ")}`);
    return exitCode(view, this.#outputs.exitCodeOnError);
  }
}

/**
 * First Ctrl-C, or whatever else tells this process to end: `gently`; the second: `atOnce`. Returns what
 * puts the old behaviour back.
 */
export function onInterrupt(gently: () => void, atOnce: () => void): () => void {
  let count = 0;
  return onToldToEnd(() => {
    count += 1;
    if (count === 1) {
      console.error("stopping: requests under way may end; again to stop at once");
      gently();
    } else atOnce();
  });
}
