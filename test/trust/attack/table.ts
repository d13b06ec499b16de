import type { Attacked, Suffered } from "./campaign.ts";
import { lost } from "./watch.ts";

const columns: readonly [string, (one: Suffered) => string][] = [
  ["attack", ({ name }) => name],
  ["what was done", ({ what }) => what],
  ["what came back", ({ said }) => said],
  ["neighbour's requests", ({ neighbour }) => neighbour.sent.toLocaleString("en")],
  ["of them lost", ({ neighbour }) => String(lost(neighbour))],
  ["neighbour's p50, p99 ms", ({ neighbour }) => `${neighbour.p50}, ${neighbour.p99}`],
  ["restarts", ({ restarts }) => String(restarts)],
  ["a replica's memory, MiB at most", ({ peak }) => peak.toFixed(0)],
  ["wrong", ({ wrong }) => wrong.join("; ") || "nothing"],
];

export const isHeld = ({ wrong }: Pick<Suffered, "wrong">): boolean => wrong.length === 0;

/** What all of it comes to, in a sentence. Pure. */
export function summary({ suffered }: Pick<Attacked, "suffered">): string {
  const sum = (of: (one: Suffered) => number) => suffered.reduce((all, one) => all + of(one), 0);
  const sent = sum(({ neighbour }) => neighbour.sent);
  const gone = sum(({ neighbour }) => lost(neighbour));
  return (
    `${suffered.length} attacks: ${suffered.filter(isHeld).length} held; a neighbour lost ${gone} of ` +
    `${sent.toLocaleString("en")} requests; ${sum(({ restarts }) => restarts)} restarts.`
  );
}

/**
 * A page of Markdown. Pure.
 *
 * @param where when and on what machine it was, as words
 */
export function attackPage(attacked: Attacked, where: string): string {
  const cells = (texts: readonly string[]) =>
    `| ${texts.map((text) => text.replaceAll("|", "\\|")).join(" | ")} |`;
  return [
    "# Reliability: the stack under attack",
    "",
    summary(attacked),
    "",
    `Two replicas of 0.25 CPU and 128 MB behind the stack's gateway, as \`pulumi up\` makes them. Each attack comes by the published port, those called "inside" straight to a replica from the network of the requests. Beside it a neighbour sends 50 predictions a second at a constant rate, timed from when each was due. Restarts are those of replicas and gateway. ${where}`,
    "",
    cells(columns.map(([title]) => title)),
    cells(columns.map(() => "---")),
    ...attacked.suffered.map((one) => cells(columns.map(([, cell]) => cell(one)))),
    "",
  ].join("\n");
}
