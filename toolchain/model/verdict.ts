// What a stack's replicas make of the version that an alias was just moved to. Pure.
import { z } from "zod";
import type { StackConfig } from "../../infra/config.ts";
import { hint } from "../../infra/hint.ts";

/** The version that is to be served, and by which name and alias replicas would know of it. */
export interface Wanted {
  readonly name: string;
  readonly alias: string;
  readonly version: string;
}

/** As much of a replica's `GET /model` as is looked at: of one with a model, or a problem without. */
const answer = z.union([
  z.object({
    name: z.string(),
    version: z.string(),
    alias: z.string().optional(),
    loadedAt: z.string(),
    refused: z.object({ version: z.string(), reason: z.string() }).optional(),
    check: z.object({ reason: z.string().optional() }).optional(),
  }),
  z.object({ detail: z.string() }),
]);

/** One replica, as it is shown. */
export interface Replica {
  readonly replica: string;
  /** Undefined while it serves none. */
  readonly version: string | undefined;
  /** What becomes of the version wanted there. */
  readonly state: "serves it" | "refused it" | "not yet" | "another model" | "no answer";
  /** ISO 8601: since when it serves what it serves. */
  readonly since?: string;
  /** Why not. */
  readonly reason?: string;
}

/** What one replica makes of it, by its `GET /model`; null for one that does not answer. */
export function replicaOf(replica: string, said: string | null, wanted: Wanted): Replica {
  const parsed = said === null ? undefined : answer.safeParse(asJson(said)).data;
  if (parsed === undefined) return { replica, version: undefined, state: "no answer" };
  if ("detail" in parsed) {
    return { replica, version: undefined, state: "not yet", reason: parsed.detail };
  }
  const { name, version, alias, loadedAt: since, refused, check } = parsed;
  if (name !== wanted.name || alias !== wanted.alias) {
    const follows = alias === undefined ? "no alias" : `the alias ${alias}`;
    const reason = `it serves ${name}${name === wanted.name ? ` and follows ${follows}` : ""}`;
    return { replica, version, state: "another model", since, reason };
  }
  if (version === wanted.version) return { replica, version, state: "serves it", since };
  return refused?.version === wanted.version
    ? { replica, version, state: "refused it", since, reason: refused.reason }
    : {
        ...{ replica, version, state: "not yet", since },
        ...(check?.reason === undefined ? {} : { reason: check.reason }),
      };
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export interface Verdict {
  /** `elsewhere`: the stack serves another model or alias, or nothing: there is nothing to wait for. */
  readonly outcome: "served" | "refused" | "late" | "elsewhere";
  /** What is to be said of it, with what to do. */
  readonly sentence: string;
  readonly replicas: readonly Replica[];
}

/** Of the replicas as they are now; undefined while one of them may still take it. */
export function verdictOf(
  stack: string,
  wanted: Wanted,
  replicas: readonly Replica[],
): Verdict | undefined {
  const { name, version } = wanted;
  const of = (...states: Replica["state"][]): readonly Replica[] =>
    replicas.filter(({ state }) => states.includes(state));
  if (replicas.length === 0) {
    const sentence = `the stack ${stack} has no replicas that could serve it: ${hint.up(stack)} brings them up`;
    return { outcome: "elsewhere", sentence, replicas };
  }
  const others = of("another model");
  if (others.length === replicas.length) {
    const sentence = `the stack ${stack} is set to serve ${name} and does not yet (${others[0]?.reason ?? ""}): ${hint.up(stack)}`;
    return { outcome: "elsewhere", sentence, replicas };
  }
  if (of("not yet", "no answer", "another model").length > 0) return undefined;
  const refused = of("refused it");
  if (refused.length === 0) {
    const sentence = `${replicas.length === 1 ? "the replica serves" : `all ${replicas.length} replicas serve`} ${name} version ${version}`;
    return { outcome: "served", sentence, replicas };
  }
  const reasons = [...new Set(refused.map(({ reason = "" }) => reason))];
  const sentence = `${refused.length} of ${replicas.length} replicas refused ${name} version ${version}: ${reasons.map((reason) => withWayOut(stack, reason)).join("; ")}`;
  return { outcome: "refused", sentence, replicas };
}

/** After all patience. */
export function lateVerdict(
  stack: string,
  wanted: Wanted,
  replicas: readonly Replica[],
  waited: number,
): Verdict {
  const missing = replicas.filter(({ state }) => state !== "serves it" && state !== "refused it");
  // Why others refused it is why it will not come to all.
  const refused = replicas.filter(({ state }) => state === "refused it");
  const reason = [...missing, ...refused].find((each) => each.reason !== undefined)?.reason;
  const sentence =
    `${missing.length} of ${replicas.length} replicas had not taken ${wanted.name} version ${wanted.version} after ${Math.round(waited / 1000)} s` +
    (refused.length === 0 ? "" : `, ${refused.length} refused it`) +
    (reason === undefined ? "" : `: ${withWayOut(stack, reason)}`);
  return { outcome: "late", sentence, replicas };
}

/** Settings that would have a refused version taken, by the words of a refusal. */
const waysOut: readonly (readonly [
  words: RegExp,
  key: string,
  value: (reason: string) => string,
])[] = [
  [/allowContractChange/, "allowContractChange", () => "true"],
  [/does not fit into memory/, "memory", (reason) => `${2 * limitIn(reason)}MB`],
];

/** The limit that a replica names in its reason, MB. */
const limitIn = (reason: string): number => Number(/limit of (\d+) MB/.exec(reason)?.[1] ?? 256);

/** A replica's reason, with commands that can be pasted: it does not know what its stack is called. */
function withWayOut(stack: string, reason: string): string {
  const [, key, value] = waysOut.find(([words]) => words.test(reason)) ?? [];
  if (key === undefined || value === undefined) return reason;
  const commands = hint.both(hint.setKey(stack, key, value(reason)), hint.up(stack));
  return `${reason.replaceAll("<stack>", stack)}. To have it served: ${commands}`;
}

/** Where replicas ask another registry than the one configured, or there are none yet. */
export const asksAnother = (stack: string): string =>
  `the stack ${stack} does not ask this registry yet: ${hint.up(stack)} has it do so`;

/**
 * Why a stack that is configured so does not come to serve the version wanted, whatever its replicas do;
 * undefined where it does.
 */
export function servesAnother(
  stack: string,
  config: Pick<StackConfig, "model" | "modelAlias" | "modelStage">,
  { name, alias }: Wanted,
): string | undefined {
  const up = hint.up(stack);
  if (config.model !== name) {
    return `the stack ${stack} serves ${config.model}, not ${name}. To have ${name} served: ${hint.both(hint.setKey(stack, "model", name), up)}`;
  }
  if (config.modelStage !== undefined) {
    return `the stack ${stack} follows the stage ${config.modelStage} of ${name}, which is moved in MLflow. To have it follow the alias: ${hint.both(hint.removeKey(stack, "modelStage"), hint.setKey(stack, "modelAlias", alias), up)}`;
  }
  const follows = config.modelAlias ?? "production";
  return follows === alias
    ? undefined
    : `the stack ${stack} follows the alias ${follows} of ${name}, not ${alias}. To have it follow that: ${hint.both(hint.setKey(stack, "modelAlias", alias), up)}`;
}
