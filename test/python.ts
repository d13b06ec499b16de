import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { needPython } from "./support/programs.ts";

const run = promisify(execFile);

/**
 * The Python of a virtual environment with the pinned packages of a requirements file, made on first
 * use and kept outside the clone. Run tools with `python -m`. Throws Error with pip's own words.
 */
export async function pythonWith(requirementsFile: string): Promise<string> {
  const hash = createHash("sha256")
    .update(readFileSync(requirementsFile))
    .digest("hex")
    .slice(0, 12);
  const cache = process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache");
  const folder = join(cache, "inference-stack", `venv-${hash}`);
  const python = join(folder, "bin/python");
  const complete = join(folder, ".complete");
  if (existsSync(complete)) return python;
  // Whatever was left there was interrupted.
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await run(await needPython(), ["-m", "venv", folder]);
  await run(
    python,
    ["-m", "pip", "install", "-q", "--disable-pip-version-check", "-r", requirementsFile],
    {
      maxBuffer: 16 * 1024 * 1024,
    },
  );
  await writeFile(complete, "");
  return python;
}
