// Keeps the events of a run, so that whoever comes later sees it from its beginning, and passes
// them on as they come. A long run is kept at a coarser resolution, never cut short: counts in
// ticks are of the whole run, so leaving every second tick out loses none.
import { emptyView, fold, type RunEvent, type RunView } from "../events.ts";

const whole = new Set<RunEvent["type"]>(["failures", "exceptions", "workers", "capacity"]);
const maxTicks = 7200;
const maxLogs = 1000;

export class Recorder {
  #events: RunEvent[] = [];
  readonly #listeners = new Set<(event: RunEvent) => void>();
  readonly view: RunView = emptyView();

  /** Events from the `started` of the present or last run on; before it a capacity search, if any. */
  get events(): readonly RunEvent[] {
    return this.#events;
  }

  add(event: RunEvent): void {
    fold(this.view, event);
    // A capacity search outlives the runs it is made of.
    if (event.type === "started") {
      this.#events = this.#events.filter(({ type }) => type === "capacity");
    }
    // Of lists that are sent whole, only the newest counts.
    if (whole.has(event.type)) {
      this.#events = this.#events.filter(({ type }) => type !== event.type);
    }
    this.#events.push(event);
    if (event.type === "tick" && this.view.ticks.length > maxTicks) this.#thin();
    if (
      event.type === "log" &&
      this.#events.filter(({ type }) => type === "log").length > maxLogs
    ) {
      this.#events.splice(
        this.#events.findIndex(({ type }) => type === "log"),
        1,
      );
    }
    for (const listener of this.#listeners) listener(event);
  }

  #thin(): void {
    let i = 0;
    this.#events = this.#events.filter(({ type }) => type !== "tick" || i++ % 2 === 0);
    this.view.ticks = this.view.ticks.filter((_, n) => n % 2 === 0);
  }

  /** Calls `listener` for what comes; the returned function ends that. */
  listen(listener: (event: RunEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  get listeners(): number {
    return this.#listeners.size;
  }
}
