// A model's `MLmodel`: text that whoever logged the model wrote, or what they unpickled.
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

const FILE = "MLmodel";
const MB = 1024 * 1024;
/** With 5,000 columns it has half a megabyte. What it becomes in memory is many times as much. */
const MOST_BYTES = 2 * MB;

/** Of the text of an `MLmodel`. Keys that come twice are no reason to compare each with each. */
export const parseDescription = (text: string): unknown => parse(text, { uniqueKeys: false });

/** The text of the `MLmodel` in a folder; undefined where it has none. @throws Error where that is too large */
export function readDescription(folder: string): string | undefined {
  const path = join(folder, FILE);
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return undefined;
  if (!found.isFile() || found.size > MOST_BYTES) {
    throw new Error(
      `Its ${FILE} is no file of at most ${MOST_BYTES / MB} MB (it has ${found.size} bytes).`,
    );
  }
  return readFileSync(path, "utf8");
}

/** Bytes of it; 0 where there is none. */
export const descriptionSize = (folder: string): number =>
  statSync(join(folder, FILE), { throwIfNoEntry: false })?.size ?? 0;
