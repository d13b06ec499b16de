import { classKeys, tensorForms } from "./classes.ts";
import { float32Text, writeFloat32, zeroText } from "./float32.ts";
import type { Classes, Contract, ElementType, Scalar, TensorData } from "./types.ts";
import { Part, Writer } from "./writer.ts";

const [COMMA, ARRAY, ARRAY_END, OBJECT, OBJECT_END] = [0x2c, 0x5b, 0x5d, 0x7b, 0x7d];
const [LABEL, PROBABILITIES] = [new Part('"label":'), new Part('"probabilities":{')];

/** A tensor a run gave: data in row-major order and its sizes. */
export interface Output {
  readonly data: TensorData;
  readonly dims: readonly number[];
}

/** Writes JSON of one element: the same as `elementText`. */
function writeElement(writer: Writer, type: ElementType, data: TensorData, at: number): void {
  if (type === "float32") writeFloat32(writer, (data as Float32Array)[at] ?? NaN);
  else writer.text(elementText(type, data, at));
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

/** Writes JSON of a tensor's part that starts at `at` and has the sizes `dims` from `depth` on. */
function writeNested(
  writer: Writer,
  type: ElementType,
  data: TensorData,
  dims: readonly number[],
  depth: number,
  at: number,
): void {
  if (depth === dims.length) {
    writeElement(writer, type, data, at);
    return;
  }
  let step = 1;
  for (let d = depth + 1; d < dims.length; d++) step *= dims[d] ?? 1;
  writer.character(ARRAY);
  for (let i = 0; i < (dims[depth] ?? 0); i++) {
    if (i > 0) writer.character(COMMA);
    writeNested(writer, type, data, dims, depth + 1, at + i * step);
  }
  writer.character(ARRAY_END);
}

/** Writes one output of a row, with its key before it. */
type Write = (writer: Writer, outputs: readonly Output[], row: number) => void;

/** Writes rows of a run's outputs as the JSON objects of `POST /predict`. */
export class RowEncoder {
  readonly #parts: readonly Write[];
  readonly #writer = new Writer();

  constructor(contract: Contract) {
    this.#parts = partsOf(contract);
  }

  /** So many rows from `row` on, with commas between them, and what comes before and behind. */
  rows(outputs: readonly Output[], row: number, count: number, before = "", behind = ""): string {
    const writer = this.#writer;
    const parts = this.#parts;
    writer.start();
    if (before !== "") writer.text(before);
    for (let r = row; r < row + count; r++) {
      if (r > row) writer.character(COMMA);
      writer.character(OBJECT);
      for (let i = 0; i < parts.length; i++) {
        if (i > 0) writer.character(COMMA);
        parts[i]?.(writer, outputs, r);
      }
      writer.character(OBJECT_END);
    }
    if (behind !== "") writer.text(behind);
    return writer.finish();
  }
}

/** The label first, then the probabilities, then the outputs that are neither, under their own names. */
function partsOf(contract: Contract): Write[] {
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
function plainPart(name: string, type: ElementType, index: number): Write {
  const key = new Part(`${JSON.stringify(name)}:`);
  return (writer, outputs, row) => {
    const { data, dims } = outputs[index] as Output;
    const width = dims.length > 1 ? dims.slice(1).reduce((a, b) => a * b, 1) : 1;
    const scalar = dims.length <= 1 || (dims.length === 2 && width === 1);
    writer.part(key);
    if (scalar) writeElement(writer, type, data, row);
    else writeNested(writer, type, data, dims, 1, row * width);
  };
}

/** `"label":…,"class":…`: the label as the original has it, and its name where it has one. */
function labelPart(contract: Contract, classes: Classes, index: number): Write {
  const type = contract.outputs[index]?.type ?? "int64";
  // Whole, for every label, so that a row only looks it up.
  const texts = new Map<Scalar, Part>();
  const { labels, original, names } = classes;
  for (const [i, label] of (original ?? labels ?? []).entries()) {
    // A double is no longer the label then; the tensor has its digits.
    if (Number.isInteger(label) && !Number.isSafeInteger(label)) continue;
    const name = names?.[i];
    const named = name === undefined ? "" : `,"class":${JSON.stringify(name)}`;
    const text = new Part(`"label":${JSON.stringify(label)}${named}`);
    // The graph says which of its labels is which of the original's; where it does not, their looks.
    const exact = labels?.length === original?.length ? labels?.[i] : undefined;
    if (exact !== undefined) texts.set(exact, text);
    for (const form of tensorForms(label)) if (!texts.has(form)) texts.set(form, text);
  }
  return (writer, outputs, row) => {
    const { data } = outputs[index] as Output;
    const label = data[row] ?? 0;
    const text = texts.get(typeof label === "bigint" ? Number(label) : label);
    if (text) writer.part(text);
    else {
      writer.part(LABEL);
      writeElement(writer, type, data, row);
    }
  };
}

/** `"probabilities":{"<class>":…}`. */
function probabilitiesPart(contract: Contract, classes: Classes, index: number): Write {
  const { type = "float32", shape = [] } = contract.outputs[index] ?? {};
  const keysFor = (count: number): Part[] =>
    classKeys(classes, count).map(
      (key, i) => new Part(`${i === 0 ? "" : ","}${JSON.stringify(key)}:`),
    );
  let keys = keysFor(shape[1] ?? classes.original?.length ?? classes.labels?.length ?? 0);
  return (writer, outputs, row) => {
    const { data, dims } = outputs[index] as Output;
    const count = dims[dims.length - 1] ?? 1;
    // Only where the model does not say how many there are.
    if (keys.length !== count) keys = keysFor(count);
    writer.part(PROBABILITIES);
    for (let i = 0; i < count; i++) {
      writer.part(keys[i] as Part);
      writeElement(writer, type, data, row * count + i);
    }
    writer.character(OBJECT_END);
  };
}
