// The HTTP interface of the master, for its page and for scripts. No Node here: types alone.
//
// Live
//   GET  /api/events         server-sent events. Each `data:` is one RunEvent as JSON: first those
//                            of the present or last run from `started` on, so that folding them
//                            gives the whole picture after every (re)connection, then as they come
//   GET  /api/state          ServerState
// Runs (Locust's own routes; bodies as form fields or JSON)
//   POST /swarm              SwarmForm -> SwarmReply; while a run goes on: changes its users
//   GET|POST /stop           {success, message}
//   GET|POST /stats/reset    "ok"
// Numbers, as Locust gives them
//   GET /stats/requests  /exceptions  /tasks  /logs            JSON
//   GET /stats/requests/csv  /stats/requests_full_history/csv
//       /stats/failures/csv  /exceptions/csv                   CSV
//   GET /stats/report[?download=1]  the HTML report            GET /metrics   Prometheus
//   GET /stats/json                 Locust's JSON, with `histogram` added to each entry
// Finished runs, newest first
//   GET /api/runs            RunSummary[]
//   GET /api/runs/ID         RunEvent[]      DELETE /api/runs/ID
//   GET /api/runs/ID/report | requests.csv | failures.csv | exceptions.csv | history.csv | stats.json
// Capacity searches
//   GET /api/capacity        ToldSearch of the search that goes on, or of the last one; or null
// Access
//   GET /healthz             200 always
//   All but /healthz need the token, `Authorization: Bearer TOKEN` or the cookie that POST /login (field
//   `token`) sets: of other containers always, of everybody where the page is bound beyond loopback.
//   GET / without it is the page that asks for the token.
//   Requests that change something are refused (403) when Host, Origin or Sec-Fetch-Site say that
//   another site made the browser send them; scripts, which send none of the latter, may.
import type { StackFacts } from "./events.ts";

/** Fields of POST /swarm; numbers may be strings. Durations as "90", "30s", "1h30m". */
export interface SwarmForm {
  /** How many users; or steps of them, "100:1m,500:2m". */
  user_count?: string | number;
  /** New users a second. */
  spawn_rate?: string | number;
  host?: string;
  /** Empty runs until stopped. */
  run_time?: string;
  /** Seconds after each reply, "1"; "1-3" evenly between; "exp:1" exponential; "pace:1" pacing. */
  think_time?: string;
  /** Open loop instead of users: requests a second, "500", "500:1m,1000:1m", "0-1000:2m". */
  rate?: string;
  timeout?: string;
  /** Leaves the first so many seconds out of the statistics. */
  warm_up?: string;
  /** Where predictions are posted; "/predict" unless told. */
  path?: string;
  /** Thresholds, as "p95<500ms" separated by commas. */
  threshold?: string;
}

export interface SwarmReply {
  success: boolean;
  message: string;
  host?: string;
}

export interface ServerState {
  state: "ready" | "spawning" | "running" | "stopping" | "stopped";
  /** Id of the present or last run. */
  run: string | null;
  /** What the start form begins with. */
  defaults: Required<SwarmForm>;
  /** Origins a run may load; "*" is any. */
  targets: string[];
  workers: number;
  /** Whether a token is asked for. */
  token: boolean;
}

/** One finished run, for lists and comparisons. Latencies in ms. */
export interface RunSummary {
  id: string;
  /** Unix seconds. */
  startedAt: number;
  endedAt: number;
  reason: string;
  host: string;
  scenario: string;
  load: string;
  /** At the peak. */
  users: number;
  requests: number;
  failures: number;
  /** Requests a second over the whole run. */
  rps: number;
  mean: number;
  p50: number;
  p95: number;
  p99: number;
  max: number;
  limited: string | null;
  thresholds: { text: string; ok: boolean }[];
  stack: StackFacts | null;
}
