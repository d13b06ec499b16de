// What a search is asked, from the command line.
import { createHash } from "node:crypto";
import type { ParseArgsOptionsConfig } from "node:util";
import { readCommand } from "../../toolchain/command.mjs";
import { UserError } from "../../infra/errors.ts";
import { parseCpus, parseMemory, UnitError } from "../../infra/units.ts";
import type { OwnRows } from "../scenario/rows.ts";
import { parseDuration, UserError as LoadError } from "../units.ts";
import type { LoadPlan } from "./plan.ts";
import { defaultPrices, type Prices } from "./price.ts";
import { parseSlo } from "./slo.ts";
import type { Axes } from "./space.ts";

export interface Question {
  readonly stack: string;
  readonly plan: LoadPlan;
  /** A file of rows that are sent; null: rows like those that the target describes. */
  readonly data: string | null;
  /** As it was written. */
  readonly slo: string;
  readonly axes: Axes;
  readonly prices: Prices;
  readonly repeats: number;
}

export interface CapacityFlags extends Question {
  /** Seconds; null is no limit. */
  readonly budget: number | null;
  readonly trials: number | null;
  readonly apply: boolean;
  readonly fresh: boolean;
  readonly json: boolean;
  readonly out: string | null;
  readonly help: boolean;
}

const options = {
  users: { type: "string", short: "u" },
  "spawn-rate": { type: "string", short: "r" },
  slo: { type: "string" },
  data: { type: "string" },
  cpus: { type: "string" },
  memory: { type: "string" },
  replicas: { type: "string" },
  stack: { type: "string", short: "s" },
  budget: { type: "string" },
  trials: { type: "string" },
  repeats: { type: "string" },
  settle: { type: "string" },
  steady: { type: "string" },
  "cpu-price": { type: "string" },
  "gb-price": { type: "string" },
  apply: { type: "boolean" },
  fresh: { type: "boolean" },
  json: { type: "boolean" },
  out: { type: "string" },
  help: { type: "boolean", short: "h" },
} satisfies ParseArgsOptionsConfig;

export function amount(
  text: string,
  what: string,
  least: number,
  most: number,
  whole = true,
): number {
  const value = text.trim() === "" ? NaN : Number(text);
  if (!(value >= least && value <= most) || (whole && !Number.isInteger(value))) {
    throw new UserError(
      `${what} is "${text}". Allowed: a ${whole ? "whole " : ""}number from ${least} to ${most}.`,
    );
  }
  return value;
}

export function seconds(text: string, what: string): number {
  try {
    return parseDuration(text, what);
  } catch (error) {
    throw error instanceof LoadError ? new UserError(error.message) : error;
  }
}

/** One of the stack's own units. */
export function unit(parse: (text: string) => number, text: string, what: string): number {
  try {
    return parse(text.trim());
  } catch (error) {
    if (!(error instanceof UnitError)) throw error;
    throw new UserError(`${what} has "${text}". Allowed: ${error.message}.`);
  }
}

const list = (text: string, one: (text: string) => number): number[] =>
  [...new Set(text.split(",").map(one))].sort((a, b) => a - b);

/** @throws UserError */
export function parseCapacityFlags(args: string[]): CapacityFlags {
  let values;
  try {
    values = readCommand("capacity", { args, options }).values;
  } catch (error) {
    throw new UserError((error as Error).message);
  }
  const users = amount(values.users ?? "1000", "--users", 1, 100_000);
  const slo = values.slo ?? "p95<500ms,failures=0";
  parseSlo(slo);
  return {
    stack: values.stack ?? "dev",
    plan: {
      users,
      spawnRate: amount(
        values["spawn-rate"] ?? String(Math.ceil(users / 20)),
        "--spawn-rate",
        1,
        100_000,
      ),
      settle: seconds(values.settle ?? "10s", "--settle"),
      steady: Math.max(3, seconds(values.steady ?? "30s", "--steady")),
    },
    slo,
    data: values.data ?? null,
    axes: {
      cpus: list(values.cpus ?? "0.1,0.15,0.2,0.25,0.5,1", (text) =>
        unit(parseCpus, text, "--cpus"),
      ),
      memory: list(values.memory ?? "80MB,96MB,128MB,192MB,256MB", (text) =>
        unit(parseMemory, text, "--memory"),
      ),
      replicas: list(values.replicas ?? "1,2,3", (text) => amount(text, "--replicas", 1, 32)),
    },
    prices: {
      perCpu: amount(
        values["cpu-price"] ?? String(defaultPrices.perCpu),
        "--cpu-price",
        0,
        1e6,
        false,
      ),
      perGb: amount(values["gb-price"] ?? String(defaultPrices.perGb), "--gb-price", 0, 1e6, false),
    },
    repeats: amount(values.repeats ?? "3", "--repeats", 1, 20),
    budget: values.budget === undefined ? null : seconds(values.budget, "--budget"),
    trials: values.trials === undefined ? null : amount(values.trials, "--trials", 1, 10_000),
    apply: values.apply === true,
    fresh: values.fresh === true,
    json: values.json === true,
    out: values.out ?? null,
    help: values.help === true,
  };
}

/** The same text for the same question and the same rows: what a journal is about. */
export const questionText = (
  { stack, plan, slo, axes, prices, repeats }: Omit<Question, "data">,
  rows: OwnRows | null = null,
): string => JSON.stringify({ stack, plan, slo, axes, prices, repeats, ...rowsPart(rows) });

/** What tells a question about these rows from one about others; nothing where none were given. */
export const rowsPart = (rows: OwnRows | null): { rows?: string } =>
  rows === null
    ? {}
    : { rows: createHash("sha256").update(JSON.stringify(rows)).digest("hex").slice(0, 16) };
