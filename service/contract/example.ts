import { parseExact } from "../json.ts";
import type { Field, Row } from "./types.ts";

/** Most rows that are kept of those that came with a model. */
const MOST_ROWS = 100;
/** Most characters of their JSON, all together: `GET /openapi.json` holds them. The first is kept anyhow. */
const MOST_TEXT = 256 * 1024;

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const zip = (names: readonly unknown[], values: unknown): Row | undefined =>
  Array.isArray(values) && values.length === names.length
    ? Object.fromEntries(names.map((name, i) => [String(name), values[i] as unknown]))
    : undefined;

/** A row given by its values alone: in the order of the fields, or the value of the only one. */
function unnamed(value: unknown, fields: readonly Field[]): Row | undefined {
  const [only] = fields;
  if (fields.length !== 1 || !only)
    return zip(
      fields.map(({ name }) => name),
      value,
    );
  const wrapped = only.shape.length === 0 && Array.isArray(value) && value.length === 1;
  return { [only.name]: wrapped ? (value as unknown[])[0] : value };
}

/** Rows of a list: objects with names, or values without. */
const listed = (list: readonly unknown[], fields: readonly Field[]): (Row | undefined)[] =>
  list.map((item) => (isObject(item) ? item : unnamed(item, fields)));

/** `{name: [value, …], …}`, or one row of it. */
function columns(given: Readonly<Record<string, unknown>>, fields: readonly Field[]): Row[] {
  const shapes = new Map(fields.map(({ name, shape }) => [name, shape]));
  const single = Object.entries(given).some(([, values]) => !Array.isArray(values));
  if (single) return [given];
  const rows = Math.min(...Object.values(given).map((values) => (values as unknown[]).length));
  return Array.from({ length: Math.min(rows, MOST_ROWS) }, (_, i) =>
    Object.fromEntries(
      Object.entries(given).map(([name, values]) => {
        const value = (values as unknown[])[i];
        const wrapped = shapes.get(name)?.length === 0 && Array.isArray(value);
        return [name, wrapped ? (value as unknown[])[0] : value];
      }),
    ),
  );
}

/** Rows of an example in any of the forms that MLflow's server takes or its `log_model` writes. */
function rowsOf(example: unknown, fields: readonly Field[]): (Row | undefined)[] {
  if (Array.isArray(example)) return listed(example, fields);
  if (!isObject(example)) return [];
  const { dataframe_split: split, dataframe_records: records, inputs, instances } = example;
  const frame = split ?? (Array.isArray(example["data"]) ? example : undefined);
  if (isObject(frame) && Array.isArray(frame["data"])) {
    const { columns: names, data } = frame as { columns?: unknown; data: unknown[] };
    return Array.isArray(names) ? data.map((values) => zip(names, values)) : listed(data, fields);
  }
  const bare = fields.every(({ name }) => Object.hasOwn(example, name)) ? example : undefined;
  const given = records ?? inputs ?? instances ?? bare;
  if (Array.isArray(given)) return listed(given, fields);
  return isObject(given) ? columns(given, fields) : [];
}

/** MLflow writes what is missing in a table as NaN, which is no JSON. */
const withoutNaN = (text: string): string =>
  text.replaceAll(/"[^"\\]*(?:\\.[^"\\]*)*"|-?\b(?:NaN|Infinity)\b/g, (part) =>
    part.startsWith('"') ? part : "null",
  );

/**
 * Rows of a file that came with a model: `sample_rows.json`, or the input example that MLflow keeps.
 * Only those that `valid` takes, and none where the text is no JSON.
 */
export function exampleRows(
  text: string,
  fields: readonly Field[],
  valid: (row: Row) => boolean,
): Row[] {
  let example: unknown;
  try {
    example = parseExact(withoutNaN(text));
  } catch {
    return [];
  }
  const rows: Row[] = [];
  let left = MOST_TEXT;
  for (const row of rowsOf(example, fields)) {
    if (row === undefined || !valid(row)) continue;
    left -= JSON.stringify(row).length;
    if (rows.length > 0 && left < 0) break;
    if (rows.push(row) === MOST_ROWS) break;
  }
  return rows;
}
