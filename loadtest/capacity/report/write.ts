// The report's three forms, side by side in one folder.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ReportData } from "./data.ts";
import { html } from "./html.ts";
import { markdown } from "./markdown.ts";

/** Returns the files' names. */
export function writeReport(dir: string, data: ReportData): string[] {
  mkdirSync(dir, { recursive: true });
  const files: [string, string][] = [
    ["report.md", markdown(data)],
    ["report.json", `${JSON.stringify(data, null, 2)}\n`],
    ["report.html", html(data)],
  ];
  return files.map(([name, text]) => {
    const file = join(dir, name);
    writeFileSync(file, text);
    return file;
  });
}
