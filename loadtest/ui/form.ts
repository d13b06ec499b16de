// The start form: the master's defaults into its fields, and its fields into the body of /swarm.
import type { SwarmForm } from "../api.ts";

export const thinkKinds = {
  constant: "Always the same",
  uniform: "Evenly between two",
  exponential: "At random around a mean",
  pacing: "So that a user sends one every …",
} as const;

export type ThinkKind = keyof typeof thinkKinds;

/** Think time as the form has it; `to` is of `uniform` alone. Seconds, as typed. */
export interface ThinkFields {
  kind: ThinkKind;
  seconds: string;
  to: string;
}

/** "1" | "1-3" | "exp:1" | "pace:1", as /swarm takes it. */
export function parseThink(text: string): ThinkFields {
  const named = /^(exp|pace):(.*)$/.exec(text);
  if (named !== null) {
    return { kind: named[1] === "exp" ? "exponential" : "pacing", seconds: named[2]!, to: "" };
  }
  const [seconds = "", to] = text.split("-");
  return { kind: to === undefined ? "constant" : "uniform", seconds, to: to ?? "" };
}

export function thinkText({ kind, seconds, to }: ThinkFields): string {
  switch (kind) {
    case "constant":
      return seconds;
    case "uniform":
      return `${seconds}-${to}`;
    case "exponential":
      return `exp:${seconds}`;
    case "pacing":
      return `pace:${seconds}`;
  }
}

/** Fields of the form by name, trimmed. */
export type Fields = ReadonlyMap<string, string>;

export const fieldsOf = (data: Iterable<[string, unknown]>): Fields =>
  new Map(
    [...data]
      .filter((entry): entry is [string, string] => typeof entry[1] === "string")
      .map(([name, value]) => [name, value.trim()]),
  );

/** The body of POST /swarm; what is left empty is left to the master, but for the run time. */
export function swarmBody(fields: Fields): URLSearchParams {
  const value = (name: string): string => fields.get(name) ?? "";
  const open = value("load") === "rate";
  const form: SwarmForm = {
    ...(open
      ? { rate: value("rate") }
      : { user_count: value("user_count"), spawn_rate: value("spawn_rate") }),
    host: value("host"),
    path: value("path"),
    timeout: value("timeout"),
    warm_up: value("warm_up"),
    threshold: value("threshold")
      .split(/[\n,]/)
      .map((text) => text.trim())
      .filter((text) => text !== "")
      .join(","),
    think_time:
      open || value("think_seconds") === ""
        ? ""
        : thinkText({
            kind: value("think_kind") as ThinkKind,
            seconds: value("think_seconds"),
            to: value("think_to"),
          }),
  };
  const body = new URLSearchParams(
    Object.entries(form).filter((entry): entry is [string, string] => entry[1] !== ""),
  );
  if (fields.has("run_time")) body.set("run_time", value("run_time"));
  return body;
}

/** What the next form begins with: what was sent last, and what it left unsaid as it was before. */
export function nextDefaults(
  before: Required<SwarmForm>,
  sent: URLSearchParams,
): Required<SwarmForm> {
  const value = (name: keyof SwarmForm): string => sent.get(name) ?? "";
  const users = sent.has("user_count");
  return {
    ...before,
    host: value("host"),
    run_time: value("run_time"),
    rate: value("rate"),
    timeout: value("timeout"),
    warm_up: value("warm_up"),
    path: value("path"),
    threshold: value("threshold"),
    ...(users
      ? {
          user_count: value("user_count"),
          spawn_rate: value("spawn_rate"),
          think_time: value("think_time"),
        }
      : {}),
  };
}
