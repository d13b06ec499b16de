// JSON whose numbers come out as they went in: 64-bit integers do not survive as a double, nor does
// the fraction of 1.0, which is all that tells some servers a float from an integer.

interface Exact {
  isRawJSON(value: unknown): boolean;
  rawJSON(text: string): unknown;
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { source: string }) => unknown,
  ): unknown;
}

const json = JSON as unknown as Exact;

/** A number that a double would change; `JSON.stringify` writes it as it was read. */
export const isExact = (value: unknown): value is { readonly rawJSON: string } =>
  json.isRawJSON(value);

/** As `JSON.parse`, except for the numbers that would be written in another way. */
export const parseExact = (text: string): unknown =>
  json.parse(text, (_key, value, { source }) =>
    typeof value === "number" && String(value) !== source ? json.rawJSON(source) : value,
  );
