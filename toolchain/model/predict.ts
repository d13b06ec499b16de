// Sends rows of a file to a service and hands on what it answers, row by row.
import { setTimeout as sleep } from "node:timers/promises";
import { isExact, parseExact } from "../../loadtest/exact-json.ts";
import { bodiesOf, readOwnRows } from "../../loadtest/scenario/rows.ts";
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

/** As much as is read of what a service says of a request that it refuses. */
interface Problem {
  readonly title?: string;
  readonly detail?: string;
}

type Reply =
  { readonly results: readonly unknown[] } | { readonly status: number; problem: Problem };

async function send(url: string, rows: readonly string[], left = TRIES): Promise<Reply> {
  const body = `[${rows.join(",")}]`;
  const headers = { "content-type": "application/json" };
  const reply = await fetch(`${url}${PATH}`, { method: "POST", body, headers });
  const text = await reply.text();
  if (reply.status === 503 && left > 0) {
    await sleep(1000 * Number(reply.headers.get("retry-after") ?? 1));
    return send(url, rows, left - 1);
  }
  const said = asJson(text);
  if (reply.ok && Array.isArray(said)) return { results: said as unknown[] };
  return { status: reply.status, problem: said ?? { title: text.slice(0, 200) } };
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
  for (const batch of batches(bodiesOf(given, document, PATH))) {
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
  const reply = await send(url, rows);
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
  const { title = "", detail = title } = reply.problem;
  const which =
    rows.length === 1 ? `row ${before + 1}` : `rows ${before + 1} to ${before + rows.length}`;
  // Where the service names a row, it counts from 0 within the request.
  const counted = detail.replace(
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
    const { message, cause: inner } = cause as Error;
    const why = inner instanceof Error ? inner.message : message;
    throw new SetupError(`${address} says nothing of what the model takes: ${why}`, { cause });
  }
}

/** A result as the cells of a table: what is within it under names with dots. Pure. */
export function cellsOf(result: unknown, name = ""): Record<string, string> {
  if (typeof result !== "object" || result === null || Array.isArray(result) || isExact(result)) {
    const text = typeof result === "string" ? result : JSON.stringify(result ?? null);
    return { [name || "prediction"]: text };
  }
  return Object.assign(
    {},
    ...Object.entries(result).map(([key, value]) => cellsOf(value, name ? `${name}.${key}` : key)),
  ) as Record<string, string>;
}

const quoted = (cell: string): string =>
  /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;

/** Lines of a CSV whose header is made of the first result that it is given. */
export function csvWriter(): (results: readonly unknown[]) => string {
  let head: string[] | undefined;
  return (results) => {
    const rows = results.map((result) => cellsOf(result));
    const first = head === undefined;
    head ??= Object.keys(rows[0] ?? {});
    const names = head;
    const lines = [...(first ? [names] : []), ...rows.map((row) => names.map((n) => row[n] ?? ""))];
    return lines.map((line) => `${line.map(quoted).join(",")}\n`).join("");
  };
}
