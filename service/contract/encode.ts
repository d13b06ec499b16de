import type { Contract, ElementType, TensorData } from "./types.ts";

/** A tensor a run gave: data in row-major order and its sizes. */
export interface Output {
  readonly data: TensorData;
  readonly dims: readonly number[];
}

/** The shortest of two decimal forms that read back as the same float32; JSON has no NaN: null. */
function float32Text(value: number): string {
  if (!Number.isFinite(value)) return "null";
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
      return Number.isFinite(value) ? `${value}` : "null";
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

/** Writes rows of a run's outputs as the JSON objects of `POST /predict`. */
export class RowEncoder {
  readonly #row: (outputs: readonly Output[], row: number) => string;

  constructor(contract: Contract) {
    this.#row = contract.classes ? classifierRow(contract) : plainRow(contract);
  }

  row(outputs: readonly Output[], row: number): string {
    return this.#row(outputs, row);
  }
}

/** `{"<output>": value, …}`: a scalar for one element a row, otherwise nested arrays. */
function plainRow(contract: Contract): (outputs: readonly Output[], row: number) => string {
  const keys = contract.outputs.map(
    ({ name }, i) => `${i === 0 ? "{" : ","}${JSON.stringify(name)}:`,
  );
  const types = contract.outputs.map(({ type }) => type);
  return (outputs, row) => {
    let text = "";
    outputs.forEach(({ data, dims }, i) => {
      const width = dims.length > 1 ? dims.slice(1).reduce((a, b) => a * b, 1) : 1;
      const scalar = dims.length <= 1 || (dims.length === 2 && width === 1);
      const type = types[i] ?? "float32";
      text += keys[i] ?? "";
      text += scalar ? elementText(type, data, row) : nestedText(type, data, dims, 1, row * width);
    });
    return `${text}}`;
  };
}

/** `{"label": …, "class": …, "probabilities": {…}}`; a list of probabilities where labels are unknown. */
function classifierRow(contract: Contract): (outputs: readonly Output[], row: number) => string {
  const { classes } = contract;
  if (!classes) return plainRow(contract);
  const labelType = contract.outputs[classes.label]?.type ?? "int64";
  const type = contract.outputs[classes.probabilities]?.type ?? "float32";
  // `{"label":0,"class":"setosa"` for every label, so that a row only adds its numbers.
  const starts = new Map<string | number, string>(
    (classes.labels ?? []).map((label, i) => {
      const name = classes.names?.[i];
      const named = name === undefined ? "" : `,"class":${JSON.stringify(name)}`;
      return [label, `{"label":${JSON.stringify(label)}${named},"probabilities":`];
    }),
  );
  const keys = (classes.names ?? classes.labels)?.map(
    (name, i) => `${i === 0 ? "{" : ","}${JSON.stringify(String(name))}:`,
  );
  const labelAt = (data: TensorData, row: number): string | number => {
    const label = data[row] ?? 0;
    return typeof label === "bigint" ? Number(label) : label;
  };
  return (outputs, row) => {
    const labels = outputs[classes.label];
    const probabilities = outputs[classes.probabilities];
    if (!labels || !probabilities) return "null";
    const count = probabilities.dims[1] ?? 1;
    let text =
      starts.get(labelAt(labels.data, row)) ??
      `{"label":${elementText(labelType, labels.data, row)},"probabilities":`;
    if (keys?.length !== count) {
      return `${text}${nestedText(type, probabilities.data, probabilities.dims, 1, row * count)}}`;
    }
    for (let i = 0; i < count; i++) {
      text += keys[i] ?? "";
      text += elementText(type, probabilities.data, row * count + i);
    }
    return `${text}}}`;
  };
}
