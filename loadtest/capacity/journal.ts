// The search's memory: a line of JSON for each thing that happened, appended and synced, so that
// whatever kills the search, the next one goes on from the last finished trial.
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import type { TrialRecord } from "./record.ts";
import type { Limits } from "./space.ts";

export type Entry =
  /** First line: what the search is for. Another question is another journal. */
  | { readonly type: "search"; readonly question: string; readonly at: number }
  /** Before a trial: where no `trial` follows, it was cut short, and does not count. */
  | { readonly type: "begin"; readonly limits: Limits; readonly at: number }
  | { readonly type: "trial"; readonly trial: TrialRecord }
  | { readonly type: "end"; readonly at: number };

export interface Journalled {
  readonly question: string | undefined;
  readonly trials: readonly TrialRecord[];
  /** Trials that were begun and cut short. */
  readonly cutShort: number;
  readonly ended: boolean;
}

/** What a journal's entries say together. */
export function foldJournal(entries: readonly Entry[]): Journalled {
  const trials = entries.flatMap((entry) => (entry.type === "trial" ? [entry.trial] : []));
  const begun = entries.filter(({ type }) => type === "begin").length;
  const first = entries.find((entry) => entry.type === "search");
  return {
    question: first?.question,
    trials,
    cutShort: begun - trials.length,
    ended: entries.at(-1)?.type === "end",
  };
}

/** Entries of a journal's text, and how many bytes of it are whole lines. A torn last line is left out. */
export function parseJournal(text: string): { entries: Entry[]; bytes: number } {
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  const entries = whole
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Entry);
  return { entries, bytes: Buffer.byteLength(whole) };
}

export class Journal {
  readonly #file: string;
  readonly #entries: Entry[];

  private constructor(file: string, entries: Entry[]) {
    this.#file = file;
    this.#entries = entries;
  }

  /** Opens the journal of a question, or begins it. */
  static open(file: string, question: string): Journal {
    mkdirSync(dirname(file), { recursive: true });
    let text = "";
    try {
      text = readFileSync(file, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
    const { entries, bytes } = parseJournal(text);
    if (bytes < Buffer.byteLength(text)) truncateSync(file, bytes);
    const journal = new Journal(file, entries);
    if (entries.length === 0) journal.append({ type: "search", question, at: Date.now() / 1000 });
    return journal;
  }

  get state(): Journalled {
    return foldJournal(this.#entries);
  }

  /** Returns when the entry is on disk. */
  append(entry: Entry): void {
    const file = openSync(this.#file, "a", 0o644);
    try {
      writeSync(file, `${JSON.stringify(entry)}\n`);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    this.#entries.push(entry);
  }

  /** Puts what was found so far aside, to begin anew. */
  static setAside(file: string): void {
    try {
      renameSync(file, `${file}.${Math.round(Date.now() / 1000)}`);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
}
