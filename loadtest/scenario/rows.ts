// People's own rows (`--data`): read where the command runs, and made requests where the target's
// description is known, for a CSV's cells are texts and only that says which of them are numbers.
import { readFileSync, statSync } from "node:fs";
import { basename, extname } from "node:path";
import { parseExact } from "../exact-json.ts";
import { UserError } from "../units.ts";
import { cellRows, mapped } from "./cells.ts";
import { readCells } from "./csv.ts";
import { limited, megabytes, most, tooMany } from "./most.ts";

/** A file's rows as they travel to the master: a CSV's text, or bodies of requests as they are. */
export type OwnRows = { name: string; csv: string } | { name: string; bodies: string[] };

const readers: Readonly<Record<string, (text: string, name: string) => OwnRows>> = {
  ".csv": (csv, name) => {
    // It is read to the end where it goes to; here only to say early what is wrong with it.
    const lines = readCells(csv, name, most.rows + 2);
    if (lines.length < 2) throw new UserError(`${name} has no rows.`);
    if (lines.length - 1 > most.rows) throw tooMany(`${name} has more rows`);
    return { name, csv };
  },
  ".ndjson": (text, name) => ({ name, bodies: checked(ndjsonBodies(text, name), name) }),
  ".jsonl": (text, name) => ({ name, bodies: checked(ndjsonBodies(text, name), name) }),
  ".json": (text, name) => ({ name, bodies: checked(jsonBodies(text, name), name) }),
};

/** Reads a file of rows. Throws UserError naming what is wrong with it. */
export function readOwnRows(file: string): OwnRows {
  const name = basename(file);
  const read = readers[extname(file).toLowerCase()];
  if (read === undefined) {
    throw new UserError(
      `The rows' file is "${file}"; give rows as .csv with a header, .ndjson with one JSON object a line, or .json with an array.`,
    );
  }
  let bytes: Buffer;
  try {
    const found = statSync(file);
    if (!found.isFile()) throw new UserError(`${file} is no regular file.`);
    if (found.size > most.bytes) throw tooMany(`${name} has ${megabytes(found.size)}`);
    bytes = readFileSync(file);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`${file} cannot be read: ${(error as Error).message}.`);
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new UserError(`${name} is not UTF-8 text; convert it, such as by \`iconv -t utf-8\`.`);
  }
  return read(text, name);
}

/** The rows, when there are some and not too many. */
function checked(bodies: Iterable<string>, name: string): string[] {
  const all = [...limited(bodies, name)];
  if (all.length === 0) throw new UserError(`${name} has no rows.`);
  return all;
}

const oneALine = "for one object a line, name it .ndjson";

const notJson = (what: string, error: unknown, hint = ""): UserError =>
  new UserError(`${what} is not JSON: ${(error as Error).message.replaceAll(/\s+/g, " ")}${hint}.`);

function* ndjsonBodies(text: string, name: string): Generator<string> {
  let line = 0;
  for (const [found] of text.matchAll(/[^\n]*\n?/g)) {
    line += 1;
    const body = found.trim();
    if (body === "") continue;
    try {
      JSON.parse(body);
    } catch (error) {
      throw notJson(`${name}, line ${line},`, error);
    }
    yield body;
  }
}

function jsonBodies(text: string, name: string): string[] {
  let rows: unknown;
  try {
    rows = parseExact(text);
  } catch (error) {
    throw notJson(name, error, /^\s*\{/.test(text) ? `; ${oneALine}` : "");
  }
  if (!Array.isArray(rows)) {
    throw new UserError(`${name} is not a JSON array of rows; ${oneALine}.`);
  }
  return rows.map((row) => JSON.stringify(row));
}

/** The body of a request for each row. Throws UserError where a CSV does not fit what `path` takes. */
export function bodiesOf(rows: OwnRows, document: unknown, path: string): string[] {
  if ("bodies" in rows) return rows.bodies;
  const { listed, objects } = cellRows(rows, document, path);
  return checked(
    mapped(objects, (row) => (listed ? `[${row}]` : row)),
    rows.name,
  );
}

/**
 * Each row as an object of its columns, in JSON, whatever a request holds of them. Throws UserError where a
 * row is none, or a CSV does not fit what `path` takes.
 */
export function objectsOf(rows: OwnRows, document: unknown, path: string): string[] {
  if (!("bodies" in rows)) return checked(cellRows(rows, document, path).objects, rows.name);
  const other = rows.bodies.findIndex((body) => !body.startsWith("{"));
  if (other < 0) return rows.bodies;
  const said = rows.bodies[other]?.slice(0, 60) ?? "";
  throw new UserError(`${rows.name}, row ${other + 1}, is no object of columns: ${said}.`);
}
