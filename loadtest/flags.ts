// Locust's flags, and ours, into one checked value.
import { parseArgs, type ParseArgsOptionsConfig } from "node:util";
import { constant, type ThinkTime } from "./scenario/scenario.ts";
import { parseDuration, UserError } from "./units.ts";

/** What a run is asked to do. Seconds throughout. */
export interface RunRequest {
  users: number;
  spawnRate: number;
  runTime: number | null;
  host: string | null;
  thinkTime: ThinkTime;
  timeout: number;
  insecure: boolean;
  path: string;
  stopTimeout: number;
  exitCodeOnError: number;
}

export interface Outputs {
  csv: string | null;
  html: string | null;
  jsonFile: string | null;
  json: boolean;
}

export const flagOptions = {
  headless: { type: "boolean" },
  users: { type: "string", short: "u" },
  "spawn-rate": { type: "string", short: "r" },
  "run-time": { type: "string", short: "t" },
  host: { type: "string", short: "H" },
  csv: { type: "string" },
  html: { type: "string" },
  "json-file": { type: "string" },
  json: { type: "boolean" },
  "think-time": { type: "string" },
  timeout: { type: "string" },
  path: { type: "string" },
  insecure: { type: "boolean" },
  "stop-timeout": { type: "string", short: "s" },
  "exit-code-on-error": { type: "string" },
  help: { type: "boolean", short: "h" },
} satisfies ParseArgsOptionsConfig;

/** Throws UserError. */
export function parseFlags(args: string[]): {
  request: RunRequest;
  outputs: Outputs;
  help: boolean;
} {
  let values;
  try {
    values = parseArgs({ args, options: flagOptions, allowPositionals: false }).values;
  } catch (error) {
    throw new UserError(`${(error as Error).message.split(". ")[0]!}. --help lists the flags.`);
  }
  return {
    help: values.help === true,
    request: {
      users: number(values.users ?? "1", "--users", 0, 1_000_000, true),
      spawnRate: number(values["spawn-rate"] ?? "1", "--spawn-rate", 0.001, 1_000_000, false),
      runTime:
        values["run-time"] === undefined ? null : parseDuration(values["run-time"], "--run-time"),
      host: values.host === undefined ? null : parseHost(values.host),
      thinkTime: constant(number(values["think-time"] ?? "1", "--think-time", 0, 86_400, false)),
      timeout: parseDuration(values.timeout ?? "30s", "--timeout"),
      insecure: values.insecure === true,
      path: values.path ?? "/predict",
      stopTimeout: parseDuration(values["stop-timeout"] ?? "10s", "--stop-timeout"),
      exitCodeOnError: number(
        values["exit-code-on-error"] ?? "1",
        "--exit-code-on-error",
        0,
        255,
        true,
      ),
    },
    outputs: {
      csv: values.csv ?? null,
      html: values.html ?? null,
      jsonFile: values["json-file"] ?? null,
      json: values.json === true,
    },
  };
}

export function number(
  text: string,
  what: string,
  least: number,
  most: number,
  whole: boolean,
): number {
  const value = text.trim() === "" ? NaN : Number(text);
  if (!(value >= least && value <= most) || (whole && !Number.isInteger(value))) {
    throw new UserError(
      `${what} is "${text}"; give a ${whole ? "whole " : ""}number from ${least} to ${most}.`,
    );
  }
  return value;
}

/** An http or https origin; a path in it is left out. */
export function parseHost(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new UserError(`The host is "${text}"; give a URL such as http://127.0.0.1:8000.`);
  }
  return url.origin;
}
