import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { pageAssets } from "./assets.ts";
import { pageDocument } from "./document.ts";
import { started } from "./sample.ts";

const assets = { script: "console.log(1)", style: "p{margin:0}" };
const sha = (text: string): string => createHash("sha256").update(text).digest("base64");
const inside = (html: string, open: RegExp, close: string): string => {
  const from = html.search(open);
  const begin = html.indexOf(">", from) + 1;
  return html.slice(begin, html.indexOf(close, begin));
};

describe("the page's document", () => {
  test("the policy names exactly the style and script that stand in it", async () => {
    const { html, csp } = pageDocument(await pageAssets(), { kind: "live" });
    expect(csp).toContain(`script-src 'sha256-${sha(inside(html, /<script>/, "</script>"))}'`);
    expect(csp).toContain(`style-src 'sha256-${sha(inside(html, /<style>/, "</style>"))}'`);
    expect(csp).not.toContain("unsafe");
  });

  test("nothing is fetched from elsewhere, and a report fetches nothing at all", async () => {
    const { html, csp } = pageDocument(await pageAssets(), { kind: "report", events: [] });
    expect(html).not.toMatch(/<(script|link|img)[^>]+(src|href)="(?!data:)/);
    expect(csp).toContain("connect-src 'none'");
  });

  test("what a server replied cannot become part of the page", () => {
    const event = started({ host: "</script><script>alert(1)</script><!--" });
    const { html } = pageDocument(assets, { kind: "report", events: [event] });
    const data = inside(html, /<script id="data"/, "</script>");
    expect(JSON.parse(data)).toEqual({ kind: "report", events: [event] });
    expect(html.match(/<script/g)).toHaveLength(2);
  });

  test("a script that would end its own element is refused", () => {
    const broken = { ...assets, script: 'const s = "</script>"' };
    expect(() => pageDocument(broken, { kind: "live" })).toThrow(/end of its own element/);
  });
});
