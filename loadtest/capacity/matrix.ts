// A declared table of configurations: a YAML file.
import { readFileSync } from "node:fs";
import { parse } from "yaml";
import { z } from "zod";
import { UserError } from "../../infra/errors.ts";
import { parseCpus, parseMemory } from "../../infra/units.ts";
import type { LoadPlan } from "./plan.ts";
import { amount, seconds, unit } from "./question.ts";
import { parseSlo } from "./slo.ts";
import type { Limits } from "./space.ts";

export interface Matrix {
  readonly file: string;
  readonly name: string;
  readonly plan: LoadPlan;
  readonly slo: string;
  /** Trials of each configuration. */
  readonly repeats: number;
  readonly runs: readonly {
    readonly limits: Limits;
    /** Whose row it is, and what they found. */
    readonly who: string;
    readonly published: string;
  }[];
}

const text = z.union([z.string(), z.number()]).transform(String);
const schema = z.strictObject({
  name: z.string(),
  users: z.int().min(1).max(100_000),
  spawnRate: z.number().min(1),
  slo: z.string(),
  settle: text.default("10s"),
  steady: text.default("30s"),
  repeats: z.int().min(1).max(20).default(1),
  runs: z
    .array(
      z.strictObject({
        who: text.default(""),
        replicas: z.int().min(1).max(32).default(1),
        cpus: text,
        memory: z.string(),
        published: z.string().default(""),
      }),
    )
    .min(1),
});

/** @throws UserError naming what is wrong with the table. */
export function parseMatrix(file: string, content: string, users?: string): Matrix {
  let yaml: unknown;
  try {
    yaml = parse(content);
  } catch (error) {
    throw new UserError(`${file} is not YAML: ${(error as Error).message.split("\n")[0] ?? ""}`);
  }
  const result = schema.safeParse(yaml);
  if (!result.success) {
    throw new UserError(
      `${file} is not a table of configurations:\n${z.prettifyError(result.error)}`,
    );
  }
  const { name, spawnRate, slo, settle, steady, repeats, runs } = result.data;
  parseSlo(slo);
  return {
    file,
    name,
    plan: {
      users: users === undefined ? result.data.users : amount(users, "--users", 1, 100_000),
      spawnRate,
      settle: seconds(settle, "settle"),
      steady: Math.max(3, seconds(steady, "steady")),
    },
    slo,
    repeats,
    runs: runs.map(({ who, replicas, cpus, memory, published }) => ({
      who,
      published,
      limits: {
        cpus: unit(parseCpus, cpus, "cpus"),
        memory: unit(parseMemory, memory, "memory"),
        replicas,
      },
    })),
  };
}

/** @throws UserError */
export function readMatrix(file: string, users?: string): Matrix {
  let content: string;
  try {
    content = readFileSync(file, "utf8");
  } catch (cause) {
    throw new UserError(`${file} cannot be read. Give the path of a table in YAML.`, { cause });
  }
  return parseMatrix(file, content, users);
}
