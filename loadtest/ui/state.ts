// Everything the page shows, and nothing else.
import type { RunSummary, ServerState } from "../api.ts";
import { emptyView, type RunView } from "../events.ts";

export type Dialog = "new" | "edit" | "token";

export interface State {
  kind: "live" | "report";
  view: RunView;
  /** The stream of events; a report has none. */
  connection: "connecting" | "open" | "lost" | "none";
  tab: string;
  dialog: Dialog | null;
  /** What the master last refused, in its own words; until the next try. */
  refused: string | null;
  /** Whether the master has been asked for something and not answered yet. */
  busy: boolean;
  /** Whether the master wants a token first. */
  locked: boolean;
  /** What the form begins with; unknown until the master said so. */
  server: ServerState | undefined;
  /** How each table is sorted; absent as it came. */
  sort: Record<string, Sort>;
  runs: KeptRuns;
}

export interface Sort {
  column: number;
  descending: boolean;
}

export interface KeptRuns {
  /** Newest first. */
  listed: RunSummary[] | undefined;
  /** Ids of those compared, in the order they were chosen. */
  chosen: string[];
  /** Runs read whole, by id. */
  views: Map<string, RunView>;
}

export const firstState = (kind: State["kind"]): State => ({
  kind,
  view: emptyView(),
  connection: kind === "live" ? "connecting" : "none",
  tab: "statistics",
  dialog: null,
  refused: null,
  busy: false,
  locked: false,
  server: undefined,
  sort: {},
  runs: { listed: undefined, chosen: [], views: new Map() },
});

/** Whether users are being loaded with, or are on their way out. */
export const isActive = ({ view }: State): boolean =>
  view.started !== undefined && view.state !== "stopped";

/** Seconds the statistics are of: since the start, or since they were last begun anew. */
export function measuredSeconds({ started, resetAt, ended, last }: RunView): number {
  const since = Math.max(started?.at ?? 0, resetAt ?? 0);
  return Math.max(((ended ?? last)?.at ?? since) - since, 0.001);
}
