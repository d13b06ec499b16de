import type { Part } from "./stack-identity.ts";

/** A container, or a Swarm service, that this update made, and what befell it before it was ever ready. */
export interface Start {
  readonly kind: "container" | "service";
  readonly name: string;
  readonly part: Part;
  /** How often it ended: its engine starts it again each time. */
  readonly exits: number;
  readonly exitCode: number;
  /** The kernel ended it for want of memory. */
  readonly outOfMemory: boolean;
  /** It runs, and its health check has failed for as long as its start may take. */
  readonly unhealthy: boolean;
  /** What is told of why it did not start at all, where it did not. */
  readonly refusal?: string;
}

/** What our programs end with when what they are told is wrong: to be told it again changes nothing. */
const MISTAKEN = 2;

/**
 * Whether it will never be ready. What ended once may have been too early (for a name in DNS, for a
 * database), and its engine starts it again; not so where its memory or its settings were the reason.
 */
export const isDoomed = ({ exits, exitCode, outOfMemory, unhealthy }: Start): boolean =>
  unhealthy || exits > 1 || (exits > 0 && (outOfMemory || exitCode === MISTAKEN));

/** The keys that give a part its memory. */
const memoryKey: Partial<Record<Part, string>> = { service: "memory" };

const MOST_LINES = 8;
const MOST_CHARACTERS = 300;

/** The end of a log, as it can be shown: few lines, of moderate length, without what URLs carry. */
export function lastWords(log: string): string[] {
  return log
    .split("\n")
    .map((line) => line.replace(/\/\/[^/\s@]+@/g, "//[secret]@").trimEnd())
    .filter((line) => line !== "")
    .slice(-MOST_LINES)
    .map((line) =>
      line.length > MOST_CHARACTERS ? `${line.slice(0, MOST_CHARACTERS)} […]` : line,
    );
}

/** One sentence of what failed, its last words, and what to do. `memory` is what it had, in MB. */
export function obituary(
  start: Start,
  {
    stack,
    memory,
    words,
    check,
    instead = "It is taken away.",
  }: {
    readonly stack: string;
    readonly memory: number;
    /** The end of its log. */
    readonly words: string;
    /** What its health check said last. */
    readonly check: string;
    /** What is done instead of taking it away. */
    readonly instead?: string;
  },
): string {
  const { kind, name, part, exits, exitCode, outOfMemory, refusal } = start;
  const key = memoryKey[part];
  const said = lastWords(words);
  const why =
    refusal !== undefined
      ? `could not be started: ${refusal}`
      : exits === 0
        ? `ran, but did not get ready in time (its health check said: ${check.trim() || "nothing"})`
        : outOfMemory
          ? `ran out of memory before it was ready: it had ${memory}MB`
          : `ended with exit code ${exitCode} before it was ready`;
  const spoke =
    said.length === 0 ? "It said nothing. " : `Its last words:\n    ${said.join("\n    ")}\n  `;
  const next =
    outOfMemory && key !== undefined
      ? `Give it more with \`npx pulumi config set ${key} ${memory * 2}MB -s ${stack}\`.`
      : `Mend what it says, then run \`npx pulumi up -s ${stack}\` again.`;
  const who = kind === "service" ? `the Swarm service ${name}` : `the ${part}'s container ${name}`;
  return `${who} ${why}. ${instead} ${spoke}${next}`;
}
