// What a run leaves behind: its files, and the status it exits with.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { RunEvent, RunView } from "../events.ts";
import type { Outputs } from "../flags.ts";
import { exceptionsCsv, failuresCsv, historyCsv, statsCsv } from "./csv.ts";
import { htmlReport } from "./html.ts";
import { statsJson } from "./json.ts";

export const exitCodes = { usage: 2, generatorLimited: 98, threshold: 99 } as const;

/** Writes the files that were asked for; returns their names. */
export async function writeFiles(
  view: RunView,
  events: readonly RunEvent[],
  outputs: Outputs,
): Promise<string[]> {
  const files: [string, string][] = [];
  if (outputs.csv !== null) {
    files.push(
      [`${outputs.csv}_stats.csv`, statsCsv(view)],
      [`${outputs.csv}_stats_history.csv`, historyCsv(view, outputs.csvFullHistory)],
      [`${outputs.csv}_failures.csv`, failuresCsv(view.failures)],
      [`${outputs.csv}_exceptions.csv`, exceptionsCsv(view)],
    );
  }
  if (outputs.html !== null) files.push([outputs.html, await htmlReport(events)]);
  if (outputs.jsonFile !== null && view.ended !== undefined) {
    const name = outputs.jsonFile.replace(/\.json$/, "");
    files.push([`${name}.json`, JSON.stringify(statsJson(view, view.ended), null, 4)]);
  }
  for (const [name, text] of files) {
    mkdirSync(dirname(name), { recursive: true });
    writeFileSync(name, text);
  }
  return files.map(([name]) => name);
}

/** The status a run exits with: whether its numbers can be trusted comes before what they are. */
export function exitCode(view: RunView, codeOnError: number): number {
  const { ended, last } = view;
  if (ended === undefined || last === undefined || last.total.requests === 0)
    return exitCodes.usage;
  if (ended.limited !== null) return exitCodes.generatorLimited;
  if (ended.thresholds.some(({ ok }) => !ok)) return exitCodes.threshold;
  if (last.total.failures > 0 || view.exceptions.length > 0) return codeOnError;
  return 0;
}
