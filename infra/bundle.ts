import { cp, mkdir, readFile, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { build } from "esbuild";

const ROOT = join(import.meta.dirname, "..");

interface ImageDescription {
  /** Which base image the Dockerfile's BASE stands for. */
  base: string;
  /** Bundle name to source file, from the part's folder. */
  entryPoints: Record<string, string>;
  /** Packages left out of the bundle; their files are in `files`. */
  external: string[];
  /** Files and folders copied, from the project's root to the context. */
  files: [from: string, to: string][];
}

/**
 * Writes the build context of a part's image to `outDir`: bundles, the files it needs, its Dockerfile.
 * The same sources give the same bytes.
 */
export async function bundle(part: "service" | "loadtest", outDir: string): Promise<void> {
  const folder = join(ROOT, part);
  const image = JSON.parse(await readFile(join(folder, "image.json"), "utf8")) as ImageDescription;
  await rm(outDir, { recursive: true, force: true });
  await mkdir(outDir, { recursive: true });
  await build({
    absWorkingDir: ROOT,
    entryPoints: Object.entries(image.entryPoints).map(([out, file]) => ({
      in: join(folder, file),
      out,
    })),
    outdir: outDir,
    bundle: true,
    minifySyntax: true,
    format: "esm",
    platform: "node",
    target: "node24",
    legalComments: "none",
    external: image.external,
    // CommonJS packages inside the bundle still ask for `require`.
    banner: {
      js: 'import { createRequire as makeRequire } from "node:module"; const require = makeRequire(import.meta.url);',
    },
  });
  await Promise.all(
    image.files.map(async ([from, to]) => {
      await mkdir(dirname(join(outDir, to)), { recursive: true });
      await cp(join(ROOT, from), join(outDir, to), {
        recursive: true,
        filter: (source) => !/\.(map|d\.ts)$/.test(source),
      });
    }),
  );
}
