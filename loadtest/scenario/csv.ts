import { CsvError, parse } from "csv-parse/sync";
import { UserError } from "../units.ts";

/** What is wrong with quotes, which are all that a CSV's text can have wrong: whatever it is, some cell. */
const wrongQuotes: Readonly<Record<string, string>> = {
  CSV_QUOTE_NOT_CLOSED: "opens a quote that nothing closes",
  CSV_INVALID_CLOSING_QUOTE: "has text after a closing quote",
  INVALID_OPENING_QUOTE: "has a quote within a cell that does not begin with one",
};

/**
 * RFC 4180: quotes may hold commas, line ends and doubled quotes. The lines that are not empty, as their
 * cells; the first has the columns' names. Of a table of one column empty lines are rows too, but for
 * those at the end.
 * @param name of the file, for what is said of it
 * @param most lines that are read
 * @throws UserError with the line where a quote is not as it must be
 */
export function readCells(text: string, name: string, most?: number): string[][] {
  try {
    const rows = parse(text.replace(/^\uFEFF?[\r\n]+|[\r\n]+$/g, ""), {
      bom: true,
      record_delimiter: ["\r\n", "\n", "\r"],
      // Those who ask say how many each row must have.
      relax_column_count: true,
      ...(most === undefined ? {} : { to: most }),
    });
    // In a table of one column an empty line within is a row whose cell is empty.
    return rows[0]?.length === 1 ? rows : rows.filter((row) => row.length > 1 || row[0] !== "");
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const { code, message } = error;
    const line = String((error as unknown as { lines?: number }).lines ?? "?");
    throw new UserError(
      `${name}, line ${line}, ${wrongQuotes[code] ?? message}: quotes stand around a whole cell, and within it twice.`,
    );
  }
}

export function parseCsv(text: string, name: string): Record<string, string>[] {
  const [head = [], ...data] = readCells(text, name);
  return data.map((values) => Object.fromEntries(head.map((key, i) => [key, values[i] ?? ""])));
}
