// The page's script and style: built into the image, or bundled here when run from the sources.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

export interface PageAssets {
  /** One classic script, without imports. */
  script: string;
  style: string;
}

let assets: Promise<PageAssets> | undefined;

/** The page's assets, read once; in a checkout they are bundled, in a fraction of a second. */
export const pageAssets = (): Promise<PageAssets> => (assets ??= readOrBundle());

async function readOrBundle(): Promise<PageAssets> {
  const built = join(import.meta.dirname, "ui");
  if (existsSync(join(built, "page.js"))) {
    const [script, style] = await Promise.all(
      ["page.js", "page.css"].map((file) => readFile(join(built, file), "utf8")),
    );
    return { script: script!, style: style! };
  }
  const { build } = await import("esbuild");
  const { outputFiles } = await build({
    entryPoints: ["page.ts", "page.css"].map((file) => join(import.meta.dirname, file)),
    outdir: "page",
    write: false,
    bundle: true,
    minify: true,
    platform: "browser",
    target: "es2023",
    format: "iife",
    charset: "utf8",
    legalComments: "none",
    logLevel: "error",
  });
  const text = (end: string): string => outputFiles.find(({ path }) => path.endsWith(end))!.text;
  return { script: text(".js"), style: text(".css") };
}
