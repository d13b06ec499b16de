// What a run is asked to do, however it was asked: by flags, by the start form, by a script.
import { describeLoad, durationOf, parseRate, parseUsers, type Load } from "./load.ts";
import type { ScenarioData } from "./engine/plan.ts";
import type { OwnRows } from "./scenario/rows.ts";
import type { ThinkTime } from "./scenario/scenario.ts";
import { parseThinkTime } from "./scenario/think-time.ts";
import { parseThreshold } from "./thresholds.ts";
import { parseDuration, parseNumber, UserError } from "./units.ts";

/** Seconds that a reply may take where nobody says otherwise. */
export const usualTimeout = 30;

/** Seconds throughout; plain data, so that it can cross from the host into the stack. */
export interface RunRequest {
  /** Origin; null is the stack's own gateway. */
  host: string | null;
  load: Load;
  /** null runs until stopped. */
  runTime: number | null;
  /** null: the scenario's own, or constant(1). */
  thinkTime: ThinkTime | null;
  /** null posts predictions to `path`. */
  scenario: { name: string; data: ScenarioData } | null;
  /** What the predictions are made for; null: rows like those that the target describes. */
  rows: OwnRows | null;
  path: string;
  /** How long a reply may take; null: as long as the load test was told, which knows the stack's deadline. */
  timeout: number | null;
  insecure: boolean;
  /** Left out of the statistics at the beginning. */
  warmUp: number;
  /** Starts the statistics anew once all users are there. */
  resetStats: boolean;
  /** How long requests under way may go on when the run stops. */
  stopTimeout: number;
  /** As they were written. */
  thresholds: string[];
  expectWorkers: number;
  expectWorkersMaxWait: number;
}

/** The texts a request is made of; each name is a flag's without its dashes. */
export interface RequestTexts {
  users?: string | undefined;
  "spawn-rate"?: string | undefined;
  rate?: string | undefined;
  "run-time"?: string | undefined;
  host?: string | undefined;
  "think-time"?: string | undefined;
  path?: string | undefined;
  timeout?: string | undefined;
  insecure?: boolean | undefined;
  "warm-up"?: string | undefined;
  "reset-stats"?: boolean | undefined;
  "stop-timeout"?: string | undefined;
  threshold?: string[] | undefined;
  "expect-workers"?: string | undefined;
  "expect-workers-max-wait"?: string | undefined;
}

/**
 * Checks everything a request says.
 * @param label how the asker knows a text: "--users", or "user_count"
 * Throws UserError.
 */
export function parseRequest(
  texts: RequestTexts,
  label = (name: string) => `--${name}`,
): RunRequest {
  const given = (name: keyof RequestTexts): string | undefined => {
    const text = texts[name];
    return typeof text === "string" && text !== "" ? text : undefined;
  };
  const duration = (name: keyof RequestTexts, otherwise: string): number =>
    parseDuration(given(name) ?? otherwise, label(name));
  const count = (name: keyof RequestTexts, otherwise: string, least = 0): number =>
    parseNumber(given(name) ?? otherwise, label(name), { least, most: 1_000_000 });

  const rate = given("rate");
  if (rate !== undefined && given("users") !== undefined) {
    throw new UserError(`Give ${label("users")} or ${label("rate")}, not both.`);
  }
  const load: Load =
    rate === undefined
      ? {
          kind: "users",
          stages: parseUsers(given("users") ?? "1", label("users")),
          spawnRate: count("spawn-rate", "1", 0.001),
        }
      : { kind: "rate", stages: parseRate(rate, label("rate")) };
  const think = given("think-time");
  const path = given("path") ?? "/predict";
  if (!/^\/[^\s#]*$/.test(path)) {
    throw new UserError(`${label("path")} is "${path}"; give a path such as /predict.`);
  }
  const thresholds = texts.threshold ?? [];
  thresholds.forEach(parseThreshold);
  const host = given("host");
  const runTime = given("run-time");
  return {
    host: host === undefined ? null : parseHost(host, label("host")),
    load,
    runTime: runTime === undefined ? durationOf(load) : parseDuration(runTime, label("run-time")),
    thinkTime: think === undefined ? null : parseThinkTime(think, label("think-time")),
    scenario: null,
    rows: null,
    path,
    timeout: given("timeout") === undefined ? null : Math.max(0.001, duration("timeout", "")),
    insecure: texts.insecure === true,
    warmUp: duration("warm-up", "0"),
    resetStats: texts["reset-stats"] === true,
    stopTimeout: duration("stop-timeout", "10s"),
    thresholds,
    expectWorkers: count("expect-workers", "1", 1),
    expectWorkersMaxWait: duration("expect-workers-max-wait", "60s"),
  };
}

/** An http or https origin; a path behind it is left out. Throws UserError. */
export function parseHost(text: string, what: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new UserError(`${what} is "${text}"; give a URL such as http://127.0.0.1:8000.`);
  }
  return url.origin;
}

export const describeRequest = (request: RunRequest): string =>
  describeLoad(request.load) + (request.runTime === null ? "" : `, for ${request.runTime} s`);
