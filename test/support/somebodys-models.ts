import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Truth } from "./truth.ts";

/** Trains models with whatever MLflow runs it, and registers them where that is set to. */
export const training = readFileSync(join(import.meta.dirname, "somebodys_models.py"), "utf8");

/** Of what it prints: by name of the model and version, what the original predicts. */
export const predicted = (printed: string): Record<string, Record<string, Truth>> =>
  JSON.parse(printed.trim().split("\n").at(-1) ?? "") as Record<string, Record<string, Truth>>;
