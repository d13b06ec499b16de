import { classKeys, tensorForms } from "./classes.ts";
import type { Classes, Contract, ElementType, Scalar, TensorData } from "./types.ts";

/** A tensor a run gave: data in row-major order and its sizes. */
export interface Output {
  readonly data: TensorData;
  readonly dims: readonly number[];
}

/** JSON has a zero of either sign, which no template keeps. */
const zeroText = (zero: number): string => (Object.is(zero, -0) ? "-0" : "0");

/** The shortest of two decimal forms that read back as the same float32; JSON has no NaN: null. */
function float32Text(value: number): string {
  if (!Number.isFinite(value)) return "null";
  if (value === 0) return zeroText(value);
  const short = Math.round(value * 1e8) / 1e8;
  return Math.fround(short) === value ? `${short}` : `${value}`;
}

/** JSON of one element. */
export function elementText(type: ElementType, data: TensorData, at: number): string {
  switch (type) {
    case "string":
      return JSON.stringify((data as string[])[at] ?? "");
    case "bool":
      return data[at] ? "true" : "false";
    case "float32":
      return float32Text((data as Float32Array)[at] ?? NaN);
    case "float64":
    case "float16": {
      const value = (data as Float64Array)[at] ?? NaN;
      return value === 0 ? zeroText(value) : Number.isFinite(value) ? `${value}` : "null";
    }
    default:
      return `${(data as Int32Array)[at] ?? 0}`;
  }
}

/** JSON of a tensor's part that starts at `at` and has the sizes `dims` from `depth` on. */
function nestedText(
  type: ElementType,
  data: TensorData,
  dims: readonly number[],
  depth: number,
  at: number,
): string {
  if (depth === dims.length) return elementText(type, data, at);
  let step = 1;
  for (let d = depth + 1; d < dims.length; d++) step *= dims[d] ?? 1;
  let text = "[";
  for (let i = 0; i < (dims[depth] ?? 0); i++) {
    if (i > 0) text += ",";
    text += nestedText(type, data, dims, depth + 1, at + i * step);
  }
  return `${text}]`;
}

/** Writes one output of a row, with its key before it. */
type Part = (outputs: readonly Output[], row: number) => string;

/** Writes rows of a run's outputs as the JSON objects of `POST /predict`. */
export class RowEncoder {
  readonly #row: Part;

  constructor(contract: Contract) {
    const parts = partsOf(contract);
    const [first, second, third] = parts;
    // Nearly all models have one output or two: no loop, and no array, for a row of these.
    this.#row =
      third || !first
        ? (outputs, row) => `{${parts.map((part) => part(outputs, row)).join(",")}}`
        : second
          ? (outputs, row) => `{${first(outputs, row)},${second(outputs, row)}}`
          : (outputs, row) => `{${first(outputs, row)}}`;
  }

  row(outputs: readonly Output[], row: number): string {
    return this.#row(outputs, row);
  }
}

/** The label first, then the probabilities, then the outputs that are neither, under their own names. */
function partsOf(contract: Contract): Part[] {
  const { classes, outputs } = contract;
  const { label, probabilities } = classes ?? {};
  const others = outputs.flatMap(({ name, type }, i) =>
    i === label || i === probabilities ? [] : [plainPart(name, type, i)],
  );
  return [
    ...(classes && label !== undefined ? [labelPart(contract, classes, label)] : []),
    ...(classes && probabilities !== undefined
      ? [probabilitiesPart(contract, classes, probabilities)]
      : []),
    ...others,
  ];
}

/** `"<output>":value`: a scalar for one element a row, otherwise nested arrays. */
function plainPart(name: string, type: ElementType, index: number): Part {
  const key = `${JSON.stringify(name)}:`;
  return (outputs, row) => {
    const { data, dims } = outputs[index] as Output;
    const width = dims.length > 1 ? dims.slice(1).reduce((a, b) => a * b, 1) : 1;
    const scalar = dims.length <= 1 || (dims.length === 2 && width === 1);
    return (
      key + (scalar ? elementText(type, data, row) : nestedText(type, data, dims, 1, row * width))
    );
  };
}

/** `"label":…,"class":…`: the label as the original has it, and its name where it has one. */
function labelPart(contract: Contract, classes: Classes, index: number): Part {
  const type = contract.outputs[index]?.type ?? "int64";
  // Whole, for every label, so that a row only looks it up.
  const texts = new Map<Scalar, string>();
  const { labels, original, names } = classes;
  for (const [i, label] of (original ?? labels ?? []).entries()) {
    // A double is no longer the label then; the tensor has its digits.
    if (Number.isInteger(label) && !Number.isSafeInteger(label)) continue;
    const name = names?.[i];
    const named = name === undefined ? "" : `,"class":${JSON.stringify(name)}`;
    const text = `"label":${JSON.stringify(label)}${named}`;
    // The graph says which of its labels is which of the original's; where it does not, their looks.
    const exact = labels?.length === original?.length ? labels?.[i] : undefined;
    if (exact !== undefined) texts.set(exact, text);
    for (const form of tensorForms(label)) if (!texts.has(form)) texts.set(form, text);
  }
  return (outputs, row) => {
    const { data } = outputs[index] as Output;
    const label = data[row] ?? 0;
    return (
      texts.get(typeof label === "bigint" ? Number(label) : label) ??
      `"label":${elementText(type, data, row)}`
    );
  };
}

/** `"probabilities":{"<class>":…}`. */
function probabilitiesPart(contract: Contract, classes: Classes, index: number): Part {
  const { type = "float32", shape = [] } = contract.outputs[index] ?? {};
  const keysFor = (count: number): string[] =>
    classKeys(classes, count).map((key, i) => `${i === 0 ? "" : ","}${JSON.stringify(key)}:`);
  let keys = keysFor(shape[1] ?? classes.original?.length ?? classes.labels?.length ?? 0);
  return (outputs, row) => {
    const { data, dims } = outputs[index] as Output;
    const count = dims[dims.length - 1] ?? 1;
    // Only where the model does not say how many there are.
    if (keys.length !== count) keys = keysFor(count);
    let text = '"probabilities":{';
    for (let i = 0; i < count; i++) {
      text += keys[i] ?? "";
      text += elementText(type, data, row * count + i);
    }
    return `${text}}`;
  };
}
