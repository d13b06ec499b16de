// A CSV's rows as requests: what a cell is, a number or a text of digits, the target's description says.
import { UserError } from "../units.ts";
import { readCells } from "./csv.ts";
import { most } from "./most.ts";
import { bodySchema, rowShape, typesOf, type RowShape } from "./openapi.ts";

interface Csv {
  readonly name: string;
  readonly csv: string;
}

export interface Rows {
  /** Whether `path` takes arrays of rows and no row by itself. */
  readonly listed: boolean;
  /** Each row in JSON, made as it is asked for. */
  readonly objects: Iterable<string>;
}

/** Throws UserError where the columns or cells are not what `path` takes, of a cell when its row is asked for. */
export function cellRows({ name, csv }: Csv, document: unknown, path: string): Rows {
  const schema = bodySchema(document, path, "POST");
  const shape = schema === undefined ? undefined : rowShape(document, schema);
  if (shape === undefined) {
    throw new UserError(
      `The target's /openapi.json does not say what columns POST ${path} takes, so the cells of ${name} cannot be told apart; give the rows as .ndjson, which are sent as they are.`,
    );
  }
  const [head = [], ...lines] = readCells(csv, name, most.rows + 2);
  const wrong = wrongHeader(head, shape, path);
  if (wrong !== undefined) throw new UserError(`The header of ${name} ${wrong}`);
  const columns = head.map((column) => columnOf(column, shape, document));
  const object = (cells: readonly string[], i: number): string => {
    const row = `${name}, row ${i + 1},`;
    if (cells.length !== head.length) {
      throw new UserError(`${row} has ${cells.length} cells where its header has ${head.length}.`);
    }
    const members = cells.flatMap((cell, at) => {
      const { key, json, takes } = columns[at]!;
      const value = json(cell);
      if (value === undefined) {
        const said = cell === "" ? "nothing" : JSON.stringify(cell.slice(0, 60));
        throw new UserError(
          `${row} has ${said} in column ${key}; POST ${path} takes ${takes} there.`,
        );
      }
      return value === absent ? [] : [`${key}:${value}`];
    });
    return `{${members.join(",")}}`;
  };
  return { listed: shape.listed, objects: mapped(lines, object) };
}

/** Each of them changed when it is asked for: all at once may be more than memory holds. */
export function* mapped<T>(
  all: Iterable<T>,
  change: (one: T, at: number) => string,
): Generator<string> {
  let at = 0;
  for (const one of all) yield change(one, at++);
}

const someNames = (names: readonly string[]): string =>
  names
    .slice(0, 20)
    .map((name) => `"${name}"`)
    .join(", ") + (names.length > 20 ? ` and ${names.length - 20} more` : "");

/** What is wrong with the columns, in words; undefined when nothing is. */
function wrongHeader(
  head: readonly string[],
  { properties, required }: RowShape,
  path: string,
): string | undefined {
  const unknown = head.filter((column) => !Object.hasOwn(properties, column));
  const missing = [...required].filter((column) => !head.includes(column));
  const twice = head.find((column, i) => head.indexOf(column) !== i);
  const wrong = [
    ...(twice === undefined ? [] : [`has "${twice}" twice`]),
    ...(unknown.length === 0
      ? []
      : [`has ${someNames(unknown)}, which POST ${path} does not take`]),
    ...(missing.length === 0 ? [] : [`lacks ${someNames(missing)}, which POST ${path} needs`]),
  ];
  if (wrong.length === 0) return undefined;
  // pandas writes its index as a column, unless told not to.
  const index = unknown.some((column) => /^(Unnamed: \d+)?$/.test(column));
  const hint = index ? "; leave pandas' index out with to_csv(index=False)" : "";
  return `${wrong.join(" and ")}; columns are ${someNames(Object.keys(properties))}${hint}.`;
}

interface Column {
  /** The name as JSON writes it. */
  readonly key: string;
  /** A cell as JSON; `absent` to leave it out, undefined when it is not of the column's types. */
  readonly json: (cell: string) => string | undefined;
  /** In words. */
  readonly takes: string;
}

const absent = "";

function columnOf(column: string, { properties, required }: RowShape, document: unknown): Column {
  const types = typesOf(document, properties[column]);
  const readers = cellReaders.filter(([type]) => types.has(type)).map(([, read]) => read);
  // A postcode is no number.
  const isText = (cell: string): boolean => types.has("string") && /^[+-]?0\d/.test(cell.trim());
  const readAny = types.size === 0 ? [number, truth, text] : readers;
  const empty = types.has("null") ? "null" : readAny.includes(text) ? '""' : undefined;
  return {
    key: JSON.stringify(column),
    takes: [...types].map((type) => (type === "null" ? "nothing" : type)).join(" or "),
    json: (cell) => {
      if (cell === "") return empty ?? (required.has(column) ? undefined : absent);
      for (const read of isText(cell) ? [text] : readAny) {
        const value = read(read === text ? cell : cell.trim());
        if (value !== undefined) return value;
      }
      return undefined;
    },
  };
}

/** A cell as JSON, or undefined when it is not of the type. */
type CellReader = (cell: string) => string | undefined;

const text: CellReader = (cell) => JSON.stringify(cell);

/** As it is written where JSON writes numbers so; else as JSON does. */
const number: CellReader = (cell) => {
  if (/^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(cell) && Number.isFinite(Number(cell)))
    return cell;
  const looks = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(cell);
  return looks && Number.isFinite(Number(cell)) ? String(Number(cell)) : undefined;
};

/** Also 5.0, as pandas writes 5 in a column that has gaps. */
const integer: CellReader = (cell) => {
  const [, sign, digits] = /^([+-]?)0*(\d+)(?:\.0*)?$/.exec(cell) ?? [];
  return digits === undefined ? undefined : `${sign === "-" ? "-" : ""}${digits}`;
};

const truth: CellReader = (cell) => /^(true|false)$/i.exec(cell)?.[0].toLowerCase();

const bit: CellReader = (cell) =>
  /^1(\.0*)?$/.test(cell) ? "true" : /^0(\.0*)?$/.test(cell) ? "false" : undefined;

const json =
  (is: (value: unknown) => boolean): CellReader =>
  (cell) => {
    try {
      return is(JSON.parse(cell)) ? cell : undefined;
    } catch {
      return undefined;
    }
  };

/** Readers of each type; of several types the first that fits is taken, so texts come last. */
const cellReaders: readonly (readonly [string, CellReader])[] = [
  ["integer", integer],
  ["number", number],
  ["boolean", truth],
  ["boolean", bit],
  ["array", json(Array.isArray)],
  ["object", json((value) => typeof value === "object" && value !== null && !Array.isArray(value))],
  ["string", text],
];
