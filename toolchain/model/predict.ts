// Sends rows of a file to a service and hands on what it answers, row by row.
import { setTimeout as sleep } from "node:timers/promises";
import { isExact, parseExact } from "../../loadtest/exact-json.ts";
import { objectsOf, readOwnRows } from "../../loadtest/scenario/rows.ts";
import { SetupError } from "../errors.mjs";

const PATH = "/predict";
/** Most rows in one request, and most bytes unless a row alone has more: what every service takes. */
const MOST_ROWS = 1000;
const MOST_BYTES = 1024 ** 2 - 1024;
/** How often a request is sent again that the service has no time for now. */
const TRIES = 5;

/** Consecutive rows, each a JSON text, that go in one request. Pure. */
export function batches(rows: readonly string[]): string[][] {
  const found: string[][] = [];
  let bytes = 0;
  for (const row of rows) {
    const size = Buffer.byteLength(row) + 1;
    const last = found.at(-1);
    if (last === undefined || last.length === MOST_ROWS || bytes + size > MOST_BYTES) {
      found.push([row]);
      bytes = size;
    } else {
      last.push(row);
      bytes += size;
    }
  }
  return found;
}

/** What a service says of a request that it does not answer: a sentence, with the status before it. */
type Reply =
  { readonly results: readonly unknown[] } | { readonly status: number; readonly said: string };

/** The longest that is waited because a service asks for it, s. */
const LONGEST_PAUSE = 30;

/** How long to wait, in s, by a header that may also hold a date. Pure. */
export function pauseOf(retryAfter: string | null): number {
  const seconds = retryAfter === null || retryAfter.trim() === "" ? NaN : Number(retryAfter);
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0), LONGEST_PAUSE) : 1;
}

/** @param which rows these are, in words. @throws SetupError where nothing answers */
async function send(
  url: string,
  rows: readonly string[],
  which: string,
  left = TRIES,
): Promise<Reply> {
  const body = `[${rows.join(",")}]`;
  const headers = { "content-type": "application/json" };
  const { status, text, again } = await fetch(`${url}${PATH}`, { method: "POST", body, headers })
    .then(async (reply) => ({
      ...{ status: reply.status, text: await reply.text() },
      again: reply.headers.get("retry-after"),
    }))
    .catch((cause: unknown) => {
      throw new SetupError(`${url} did not answer ${which}: ${whyOf(cause)}`, { cause });
    });
  if (status === 503 && left > 0) {
    await sleep(1000 * pauseOf(again));
    return send(url, rows, which, left - 1);
  }
  const said = asJson(text);
  if (status !== 200) return { status, said: sentenceOf(said) ?? text.slice(0, 200) };
  if (!Array.isArray(said)) {
    const shown = text.slice(0, 200);
    throw new SetupError(`${url} answered ${which} with no array of results: ${shown}`);
  }
  if (said.length !== rows.length) {
    throw new SetupError(
      `${url} answered ${which} with ${said.length} results: which is whose cannot be told`,
    );
  }
  return { results: said as unknown[] };
}

/** What fetch found, which it keeps within what it throws. */
const whyOf = (error: unknown): string => {
  const { message, cause } = error as Error;
  return cause instanceof Error ? cause.message || message : message;
};

/** Of a problem or a refusal in JSON, where it is a sentence. */
function sentenceOf(said: unknown): string | undefined {
  if (typeof said !== "object" || said === null) return undefined;
  const { detail, title } = said as Readonly<Record<string, unknown>>;
  return [detail, title].find((one): one is string => typeof one === "string");
}

function asJson(text: string): unknown {
  try {
    return parseExact(text);
  } catch {
    return undefined;
  }
}

/**
 * Predicts each row of a file, .csv, .ndjson or .json, by the service at `url`; results come in the order
 * of the rows, some at a time. @throws SetupError, UserError with what is wrong with which row
 */
export async function* predictFile(file: string, url: string): AsyncGenerator<readonly unknown[]> {
  const given = readOwnRows(file);
  const document = await describedBy(url);
  let done = 0;
  for (const batch of batches(objectsOf(given, document, PATH))) {
    for await (const results of predictRows(url, batch, done)) {
      done += results.length;
      yield results;
    }
  }
}

/** Halves what the service finds too large, down to single rows. */
async function* predictRows(
  url: string,
  rows: readonly string[],
  before: number,
): AsyncGenerator<readonly unknown[]> {
  const which =
    rows.length === 1 ? `row ${before + 1}` : `rows ${before + 1} to ${before + rows.length}`;
  const reply = await send(url, rows, which);
  if ("results" in reply) {
    yield reply.results;
    return;
  }
  if (reply.status === 413 && rows.length > 1) {
    const half = Math.ceil(rows.length / 2);
    yield* predictRows(url, rows.slice(0, half), before);
    yield* predictRows(url, rows.slice(half), before + half);
    return;
  }
  // Where the service names a row, it counts from 0 within the request.
  const counted = reply.said.replace(
    /^(\d+)\//,
    (_, row: string) => `row ${before + Number(row) + 1}: `,
  );
  throw new SetupError(`${url} refused ${which} with ${reply.status}: ${counted}`);
}

async function describedBy(url: string): Promise<unknown> {
  const address = `${url}/openapi.json`;
  try {
    const reply = await fetch(address);
    if (!reply.ok) throw new Error(`it answers ${reply.status}`);
    return await reply.json();
  } catch (cause) {
    throw new SetupError(`${address} says nothing of what the model takes: ${whyOf(cause)}`, {
      cause,
    });
  }
}

/** A result as the cells of a table: what is within it under names with dots. Pure. */
export const cellsOf = (result: unknown): ReadonlyMap<string, string> => new Map(entriesOf(result));

function entriesOf(result: unknown, name = ""): [string, string][] {
  if (typeof result !== "object" || result === null || Array.isArray(result) || isExact(result)) {
    const text = typeof result === "string" ? result : JSON.stringify(result ?? null);
    return [[name || "prediction", text]];
  }
  return Object.entries(result).flatMap(([key, value]) =>
    entriesOf(value, name ? `${name}.${key}` : key),
  );
}

const quoted = (cell: string): string =>
  /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;

/** A line without a character is none to those who read it. */
const lineOf = (cells: readonly string[]): string => cells.map(quoted).join(",") || '""';

/**
 * Lines of a CSV whose header is made of the first result that it is given.
 * @throws SetupError where a later one holds what the first did not
 */
export function csvWriter(): (results: readonly unknown[]) => string {
  let head: readonly string[] | undefined;
  let done = 0;
  return (results) => {
    const rows = results.map((result) => cellsOf(result));
    const first = head === undefined;
    const names = (head ??= [...(rows[0] ?? new Map<string, string>()).keys()]);
    const lines = rows.map((row) => {
      done += 1;
      const more = [...row.keys()].find((name) => !names.includes(name));
      if (more !== undefined) {
        throw new SetupError(
          `the result of row ${done} has "${more}", which that of the first has not: a table has no place for it, --json has`,
        );
      }
      return names.map((name) => row.get(name) ?? "");
    });
    return [...(first ? [names] : []), ...lines].map((line) => `${lineOf(line)}\n`).join("");
  };
}
