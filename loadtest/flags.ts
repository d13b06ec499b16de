// The command line: Locust's flags, k6's thresholds, and a few of our own.
import type { ParseArgsOptionsConfig } from "node:util";
import { readCommand } from "../toolchain/command.mjs";
import type { SwarmForm } from "./api.ts";
import { parseRequest, type RequestTexts, type RunRequest } from "./run-request.ts";
import { parseDuration, parseNumber, UserError } from "./units.ts";

/** What becomes of the numbers. */
export interface Outputs {
  /** Prefix of the CSV files. */
  csv: string | null;
  csvFullHistory: boolean;
  html: string | null;
  /** Name of the JSON file. */
  jsonFile: string | null;
  /** JSON on standard output; tables then go to standard error. */
  json: boolean;
  /** No line each second. */
  onlySummary: boolean;
  exitCodeOnError: number;
}

export interface Flags {
  request: RunRequest;
  outputs: Outputs;
  /** A scenario's file. */
  file: string | null;
  /** A file of rows. */
  data: string | null;
  stack: string;
  /** Run on this machine instead of in the stack. */
  local: boolean;
  /** Engine processes of a local run; -1 is one for each core. */
  processes: number;
  /** A page beside a local run, where it listens, and whether the run waits to be started there. */
  page: { host: string; port: number; autostart: boolean } | null;
  /** Seconds from a run's end to the command's; null: without a page at once, with one when told. */
  autoquit: number | null;
  /** What the page's start form begins with. */
  form: SwarmForm;
  help: boolean;
}

const options = {
  headless: { type: "boolean" },
  locustfile: { type: "string", short: "f" },
  data: { type: "string" },
  users: { type: "string", short: "u" },
  "spawn-rate": { type: "string", short: "r" },
  rate: { type: "string" },
  "run-time": { type: "string", short: "t" },
  host: { type: "string", short: "H" },
  "think-time": { type: "string" },
  path: { type: "string" },
  timeout: { type: "string" },
  insecure: { type: "boolean" },
  "warm-up": { type: "string" },
  "reset-stats": { type: "boolean" },
  "stop-timeout": { type: "string", short: "s" },
  threshold: { type: "string", multiple: true },
  "exit-code-on-error": { type: "string" },
  csv: { type: "string" },
  "csv-full-history": { type: "boolean" },
  html: { type: "string" },
  json: { type: "boolean" },
  "json-file": { type: "string" },
  "only-summary": { type: "boolean" },
  "print-stats": { type: "boolean" },
  "expect-workers": { type: "string" },
  "expect-workers-max-wait": { type: "string" },
  autostart: { type: "boolean" },
  autoquit: { type: "string" },
  "web-host": { type: "string" },
  "web-port": { type: "string", short: "P" },
  processes: { type: "string" },
  stack: { type: "string" },
  local: { type: "boolean" },
  loglevel: { type: "string", short: "L" },
  help: { type: "boolean", short: "h" },
} satisfies ParseArgsOptionsConfig;

/** Throws UserError. */
export function parseFlags(args: string[]): Flags {
  let values;
  try {
    values = readCommand("loadtest", { args, options }).values;
  } catch (error) {
    throw new UserError((error as Error).message);
  }
  if (values.data !== undefined && values.locustfile !== undefined) {
    throw new UserError("Give --data or --locustfile, not both: a scenario reads its data itself.");
  }
  return {
    request: parseRequest(values),
    outputs: {
      csv: values.csv ?? null,
      csvFullHistory: values["csv-full-history"] === true,
      html: values.html ?? null,
      jsonFile: values["json-file"] ?? null,
      json: values.json === true,
      onlySummary: values["only-summary"] === true,
      exitCodeOnError: parseNumber(values["exit-code-on-error"] ?? "1", "--exit-code-on-error", {
        least: 0,
        most: 255,
        whole: true,
      }),
    },
    file: values.locustfile ?? null,
    data: values.data ?? null,
    stack: values.stack ?? "dev",
    local: values.local === true,
    processes: parseNumber(values.processes ?? "1", "--processes", {
      least: -1,
      most: 256,
      whole: true,
    }),
    page: wantsPage(values)
      ? {
          host: values["web-host"] ?? "127.0.0.1",
          port: parseNumber(values["web-port"] ?? "8089", "--web-port", {
            least: 0,
            most: 65535,
            whole: true,
          }),
          autostart: values.autostart === true,
        }
      : null,
    autoquit: values.autoquit === undefined ? null : parseDuration(values.autoquit, "--autoquit"),
    form: formOf(values),
    help: values.help === true,
  };
}

/** As in Locust, --headless runs without one. */
const wantsPage = (values: {
  headless?: boolean;
  autostart?: boolean;
  "web-host"?: string;
  "web-port"?: string;
}): boolean =>
  values.headless !== true &&
  (values.autostart === true ||
    values["web-host"] !== undefined ||
    values["web-port"] !== undefined);

function formOf(values: RequestTexts): SwarmForm {
  const given: Record<keyof SwarmForm, string | undefined> = {
    user_count: values.users,
    spawn_rate: values["spawn-rate"],
    host: values.host,
    run_time: values["run-time"],
    think_time: values["think-time"],
    rate: values.rate,
    timeout: values.timeout,
    warm_up: values["warm-up"],
    path: values.path,
    threshold: values.threshold?.join(","),
  };
  return Object.fromEntries(Object.entries(given).filter(([, text]) => text !== undefined));
}

export const flagHelp = `  -u, --users N            users (1); or steps with their durations: 100:1m,500:2m
  -r, --spawn-rate N       new users a second (1)
  -t, --run-time TIME      such as 90s, 2m, 1h30m; without it, until Ctrl-C
  -H, --host URL           what to load
  -f, --locustfile FILE    a scenario in TypeScript (loadtest/scenario/scenario.ts has the types)
      --data FILE          rows to send instead of some like those that the target describes: a .csv
                           with a header, .ndjson, or .json with an array. Each is one request, in
                           turn, and then from the first again; each worker begins somewhere else
      --think-time SECONDS wait after each reply: 1 (default), 1-3, exp:1, pace:1
      --rate N             open loop instead of users, in requests a second: 500,
                           500:1m,1000:1m, or 0-1000:2m for a ramp
      --path PATH          where predictions are posted (/predict)
      --timeout TIME       give up on a reply after so long (30s, and longer than a stack's deadline)
      --insecure           accept any certificate
      --warm-up TIME       leave the beginning out of the statistics
      --reset-stats        leave out everything until all users are there
  -s, --stop-timeout TIME  on stopping, requests under way may take so long to end (10s)
      --threshold 'p95<500ms'    what must hold; also failures=0, failures<1%, rps>1000, avg, max;
                           repeatable; with !abort the run stops when it is crossed
      --exit-code-on-error CODE  exit status when a request failed (1)
      --expect-workers N   wait for so many workers (1), --expect-workers-max-wait TIME (60s)
      --csv PREFIX         PREFIX_stats.csv, _stats_history.csv, _failures.csv, _exceptions.csv
      --csv-full-history   a row for each task in the history
      --html FILE          one page with charts that needs no network
      --json, --json-file NAME   numbers and whole histograms, to standard output or NAME.json
      --only-summary       no line each second
      --headless, --print-stats, --loglevel   accepted, as scripts for Locust give them`;

export const pageHelp = `      --web-host ADDRESS, -P, --web-port N   with --local, as in Locust: a page there (127.0.0.1,
                           8089), on which runs are started and watched until Ctrl-C
      --autostart          with --local: such a page, and the run starts at once; in a stack it always
                           does, and is on the stack's page
      --autoquit TIME      the command ends so long after the run`;

export const exitHelp = `Exit status: 0 nothing failed; 1 a request failed (--exit-code-on-error); 2 bad usage, or no
request was sent; 98 the generator itself was the limit; 99 a threshold was crossed.`;
