// People's own rows (`--data`): read where the command runs, and made requests where the target's
// description is known, for a CSV's cells are texts and only that says which of them are numbers.
import { readFileSync, statSync } from "node:fs";
import { basename, extname } from "node:path";
import { parseExact } from "../exact-json.ts";
import { UserError } from "../units.ts";
import { cellBodies } from "./cells.ts";

/** A file's rows as they travel to the master: a CSV's text, or bodies of requests as they are. */
export type OwnRows = { name: string; csv: string } | { name: string; bodies: string[] };

/** What master and workers can hold within their 512 MB: several copies are made on the way. */
const most = { rows: 100_000, bytes: 16 * 1024 * 1024 };
const mostText = `at most ${most.rows.toLocaleString("en")} rows and 16 MB are taken`;

const tooMany = (what: string): UserError =>
  new UserError(`${what}; ${mostText}: take a part of it, such as the first lines by \`head\`.`);

const readers: Readonly<Record<string, (text: string, name: string) => OwnRows>> = {
  ".csv": (csv, name) => ({ name, csv }),
  ".ndjson": (text, name) => ({ name, bodies: ndjsonBodies(text, name) }),
  ".jsonl": (text, name) => ({ name, bodies: ndjsonBodies(text, name) }),
  ".json": (text, name) => ({ name, bodies: jsonBodies(text, name) }),
};

/** Reads a file of rows. Throws UserError naming what is wrong with it. */
export function readOwnRows(file: string): OwnRows {
  const name = basename(file);
  const read = readers[extname(file).toLowerCase()];
  if (read === undefined) {
    throw new UserError(
      `--data is "${file}"; give rows as .csv with a header, .ndjson with one JSON object a line, or .json with an array.`,
    );
  }
  let bytes: Buffer;
  try {
    const { size } = statSync(file);
    if (size > most.bytes) throw tooMany(`${name} has ${Math.ceil(size / 1024 ** 2)} MB`);
    bytes = readFileSync(file);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`--data ${file} cannot be read: ${(error as Error).message}.`);
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new UserError(`${name} is not UTF-8 text; convert it, such as by \`iconv -t utf-8\`.`);
  }
  const rows = read(text, name);
  return "bodies" in rows ? { name, bodies: checked(rows.bodies, name) } : rows;
}

/** The rows, when there are some and not too many. */
function checked(bodies: string[], name: string): string[] {
  if (bodies.length === 0) throw new UserError(`${name} has no rows.`);
  if (bodies.length > most.rows) {
    throw tooMany(`${name} has ${bodies.length.toLocaleString("en")} rows`);
  }
  const size = bodies.reduce((sum, { length }) => sum + length, 0);
  if (size > most.bytes) {
    throw tooMany(`${name} makes requests of ${Math.ceil(size / 1024 ** 2)} MB together`);
  }
  return bodies;
}

const notJson = (what: string, error: unknown): UserError =>
  new UserError(`${what} is not JSON: ${(error as Error).message.replaceAll(/\s+/g, " ")}.`);

function ndjsonBodies(text: string, name: string): string[] {
  return text.split("\n").flatMap((line, i) => {
    const body = line.trim();
    if (body === "") return [];
    try {
      JSON.parse(body);
    } catch (error) {
      throw notJson(`${name}, line ${i + 1},`, error);
    }
    return [body];
  });
}

function jsonBodies(text: string, name: string): string[] {
  let rows: unknown;
  try {
    rows = parseExact(text);
  } catch (error) {
    throw notJson(name, error);
  }
  if (!Array.isArray(rows)) {
    throw new UserError(
      `${name} is not a JSON array of rows; for one object a line, name it .ndjson.`,
    );
  }
  return rows.map((row) => JSON.stringify(row));
}

/** The body of a request for each row. Throws UserError where a CSV does not fit what `path` takes. */
export const bodiesOf = (rows: OwnRows, document: unknown, path: string): string[] =>
  "bodies" in rows ? rows.bodies : checked(cellBodies(rows, document, path), rows.name);
