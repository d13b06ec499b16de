// The search at work: asks what to try, tries it, writes it down, until there is nothing left to try.
import { trialsLeft } from "./certificate.ts";
import type { Journal } from "./journal.ts";
import type { TrialRecord } from "./record.ts";
import { nextStep, type Purpose, type SearchOptions } from "./search.ts";
import type { Limits } from "./space.ts";

export interface CampaignOptions {
  readonly search: SearchOptions;
  readonly journal: Journal;
  /** Seconds for all trials of the journal together; null is no limit. */
  readonly budget: number | null;
  readonly trial: (limits: Limits, purpose: Purpose) => Promise<TrialRecord>;
  readonly heard: (what: Heard) => void;
  readonly signal?: AbortSignal;
}

export type Heard =
  | {
      readonly type: "begin";
      readonly limits: Limits;
      readonly purpose: Purpose;
      readonly n: number;
    }
  | { readonly type: "trial"; readonly trial: TrialRecord };

/** Voids in a row after which something is wrong that no other limits will mend. */
const mostVoids = 4;

/** Why the search ended. */
export type Ending = "done" | "void" | "interrupted";

export async function campaign(options: CampaignOptions): Promise<Ending> {
  const { search, journal, budget, trial, heard, signal } = options;
  for (;;) {
    if (signal?.aborted === true) return "interrupted";
    const { trials } = journal.state;
    const recent = trials.slice(-mostVoids);
    if (recent.length === mostVoids && recent.every(({ verdict }) => verdict === "void")) {
      return "void";
    }
    const step = nextStep(search, trials, trialsLeft(search, trials, budget));
    if (step.do === "stop") {
      if (!journal.state.ended) journal.append({ type: "end", at: Date.now() / 1000 });
      return "done";
    }
    heard({ type: "begin", limits: step.limits, purpose: step.purpose, n: trials.length + 1 });
    journal.append({ type: "begin", limits: step.limits, at: Date.now() / 1000 });
    const record = await trial(step.limits, step.purpose);
    journal.append({ type: "trial", trial: record });
    heard({ type: "trial", trial: record });
  }
}
