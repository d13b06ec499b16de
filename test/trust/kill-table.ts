import type { Campaign } from "./kill.ts";
import type { Outcome } from "./killed-up.ts";

/** Nothing was lost, and the next `up` made all as it is declared. Pure. */
export const isHarmless = ({ failures, wrong }: Pick<Outcome, "failures" | "wrong">): boolean =>
  failures.length === 0 && wrong.length === 0;

const seconds = (ms: number): string => (ms / 1000).toFixed(1);
const sum = (values: readonly number[]): number => values.reduce((total, one) => total + one, 0);
const orNothing = (words: readonly string[]): string => words.join(", ") || "nothing";

const columns: readonly [string, (outcome: Outcome) => string][] = [
  ["changed", ({ change }) => `\`${change.key} ${change.value}\``],
  ["killed after s", ({ killedAtMs }) => seconds(killedAtMs)],
  ["processes", ({ processes }) => String(processes)],
  ["last said", ({ doing }) => doing],
  ["sent", ({ sent }) => sent.toLocaleString("en")],
  ["failed", ({ failures }) => String(failures.length)],
  ["slowest ms", ({ slowestMs }) => slowestMs.toFixed(0)],
  ["what the next `up` put right first", ({ recovered }) => orNothing(recovered)],
  ["converged in s", ({ convergedSeconds }) => convergedSeconds.toFixed(1)],
  ["wrong after it", ({ wrong }) => orNothing(wrong)],
];

/** What all of it comes to, in a sentence. Pure. */
export function summary({ outcomes }: Pick<Campaign, "outcomes">): string {
  const sent = sum(outcomes.map((one) => one.sent));
  const failed = sum(outcomes.map(({ failures }) => failures.length));
  const converged = outcomes.filter(({ wrong }) => wrong.length === 0).length;
  return `\`up\` killed ${outcomes.length} times: ${failed} of ${sent.toLocaleString("en")} requests lost; the next \`up\` converged ${converged} times.`;
}

/**
 * The campaign as a page of Markdown. Pure.
 *
 * @param where when and on what machine it was, as words
 */
export function killPage(campaign: Campaign, where: string): string {
  const row = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [
    "# `pulumi up`, killed",
    "",
    summary(campaign),
    "",
    `Each time one setting of a running dev stack is changed, eight clients send requests through its gateway without a pause, and every process of \`npx pulumi up\` gets \`kill -9\`. A second later the same command is run again, with nothing between. After it a preview has to have no changes, the engine nothing that the state does not record, and the other way round. The moments are spread over the time that an \`up\` takes, one in each of ${campaign.outcomes.length} equal parts of it, by seed ${campaign.seed}: ${seconds(campaign.undisturbedMs)} s undisturbed, and more where the one before took longer. ${where}`,
    "",
    row(columns.map(([title]) => title)),
    row(columns.map(() => "---")),
    ...campaign.outcomes.map((outcome) => row(columns.map(([, cell]) => cell(outcome)))),
    "",
  ].join("\n");
}
