// A scenario's file made ready to travel: one module without imports, and its data beside it.
import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, extname, resolve } from "node:path";
import type { ScenarioData } from "../engine/plan.ts";
import { UserError } from "../units.ts";
import { parseCsv } from "./csv.ts";
import type { Row, Scenario } from "./scenario.ts";

/** Bundles `file` and reads its data files. Throws UserError. */
export async function readScenario(file: string): Promise<{ name: string; data: ScenarioData }> {
  const path = resolve(file);
  if (!existsSync(path)) throw new UserError(`There is no scenario ${file}.`);
  if (extname(path) === ".py") {
    throw new UserError(
      `${file} is a Locust file in Python; write it in TypeScript, as in loadtest/scenario/example.ts.`,
    );
  }
  const { build } = await import("esbuild");
  const bundled = await build({
    entryPoints: [path],
    bundle: true,
    write: false,
    format: "esm",
    platform: "node",
    target: "node24",
    logLevel: "silent",
  }).catch((error: unknown) => {
    throw new UserError(`${file} cannot be read: ${(error as Error).message}`);
  });
  const code = bundled.outputFiles[0]!.text;
  const url = `data:text/javascript;base64,${Buffer.from(code).toString("base64")}`;
  const loaded = (await import(url).catch((error: unknown) => {
    throw new UserError(`${file} cannot be loaded: ${(error as Error).message}`);
  })) as { default?: Scenario };
  const definition = loaded.default;
  if (!Array.isArray(definition?.tasks) || definition.tasks.length === 0) {
    throw new UserError(`${file} must export a scenario with tasks as its default.`);
  }
  const data: Record<string, Row[]> = {};
  for (const [name, source] of Object.entries(definition.data ?? {})) {
    data[name] = readRows(resolve(dirname(path), source), source);
  }
  return { name: definition.name ?? basename(path), data: { kind: "code", code, data } };
}

function readRows(path: string, given: string): Row[] {
  if (!existsSync(path)) throw new UserError(`There is no data file ${given}.`);
  const text = readFileSync(path, "utf8");
  if (extname(path) === ".csv") return parseCsv(text, given);
  try {
    const rows: unknown = JSON.parse(text);
    if (Array.isArray(rows) && rows.length > 0) return rows as Row[];
  } catch {
    // Said below.
  }
  throw new UserError(`${given} is neither a .csv with a header nor a JSON array of rows.`);
}
