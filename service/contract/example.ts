import type { Row } from "./decode.ts";
import type { Field } from "./types.ts";

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const zip = (names: readonly unknown[], values: unknown): Row | undefined =>
  Array.isArray(values) && values.length === names.length
    ? Object.fromEntries(names.map((name, i) => [String(name), values[i] as unknown]))
    : undefined;

/**
 * The first row of the input example that MLflow keeps beside a model (`serving_input_example.json`),
 * as a row of named features; undefined where it has none that can be told apart.
 */
export function firstExample(text: string, fields: readonly Field[]): Row | undefined {
  let example: unknown;
  try {
    example = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isObject(example)) return undefined;
  const { dataframe_split: split, inputs } = example;
  if (isObject(split) && Array.isArray(split["columns"]) && Array.isArray(split["data"])) {
    return zip(split["columns"], split["data"][0]);
  }
  if (Array.isArray(inputs)) {
    return zip(
      fields.map(({ name }) => name),
      inputs[0],
    );
  }
  if (!isObject(inputs)) return undefined;
  const first = Object.entries(inputs).map(([name, values]): [string, unknown] => [
    name,
    Array.isArray(values) ? (values as unknown[])[0] : values,
  ]);
  return Object.fromEntries(first);
}
