// The page as one HTML document: style, script and data stand in it, so that the live page needs
// one reply and a saved report needs nothing. The policy allows exactly these bytes and no others.
import { createHash } from "node:crypto";
import type { RunEvent } from "../events.ts";
import type { PageAssets } from "./assets.ts";

/** What the page is to be: the live one, or the report of one run. */
export type PageData = { kind: "live" } | { kind: "report"; events: readonly RunEvent[] };

export interface PageDocument {
  html: string;
  /** Value of the Content-Security-Policy header; a saved file carries it itself. */
  csp: string;
}

/** JSON that cannot end the script element it stands in. */
const inlineJson = (value: unknown): string =>
  JSON.stringify(value)
    .replace(/</g, "\\u003c")
    .replace(/\u2028/g, "\\u2028")
    .replace(/\u2029/g, "\\u2029");

const hash = (text: string): string =>
  `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

const titles = { live: "Load test", report: "Load test report" };

/** Writes the document. Throws when style or script could end its own element. */
export function pageDocument({ script, style }: PageAssets, data: PageData): PageDocument {
  if (/<\/script|<!--/i.test(script) || /<\/style/i.test(style))
    throw new Error("The page's script or style holds the end of its own element.");
  const directives = [
    "default-src 'none'",
    `script-src ${hash(script)}`,
    `style-src ${hash(style)}`,
    "img-src data:",
    data.kind === "live" ? "connect-src 'self'" : "connect-src 'none'",
    "form-action 'none'",
    "base-uri 'none'",
  ];
  const csp = [...directives, "frame-ancestors 'none'"].join("; ");
  // A browser ignores frame-ancestors in a document and says so; the header has it.
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${directives.join("; ")}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="same-origin">
<title>${titles[data.kind]}</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='4' fill='%233355d8'/%3E%3Cpath d='M3 10.5h2L7 5l2.2 7L11 8.500h2' fill='none' stroke='white' stroke-width='1.5' stroke-linejoin='round' stroke-linecap='round'/%3E%3C/svg%3E">
<style>${style}</style>
</head>
<body>
<div id="app"></div>
<noscript>This page draws its tables and charts with JavaScript.</noscript>
<script id="data" type="application/json">${inlineJson(data)}</script>
<script>${script}</script>
</body>
</html>
`;
  return { html, csp };
}
