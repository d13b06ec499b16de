import { isNumber, nearestTo, wholeOf } from "./decimal.ts";
import { accepts, complaint, isObject, notText } from "./decode.ts";
import { elementText, type Output } from "./encode.ts";
import {
  allocate,
  elementCount,
  fieldsOf,
  isFloat,
  jsonKind,
  RANGES,
  shapeText,
  type Contract,
  type ElementType,
  type Field,
  type TensorData,
  type TensorSpec,
} from "./types.ts";

const DATATYPES: Readonly<Record<ElementType, string>> = {
  bool: "BOOL",
  uint8: "UINT8",
  uint16: "UINT16",
  uint32: "UINT32",
  uint64: "UINT64",
  int8: "INT8",
  int16: "INT16",
  int32: "INT32",
  int64: "INT64",
  float16: "FP16",
  float32: "FP32",
  float64: "FP64",
  string: "BYTES",
};

/** A tensor in protocol V2's metadata; -1 stands for any size. */
export const tensorMetadata = ({ name, type, shape }: TensorSpec): object => ({
  name,
  datatype: DATATYPES[type],
  shape: shape.map((size) => size ?? -1),
});

/** A request that protocol V2 does not allow, told in one sentence. */
export class V2Error extends Error {
  override name = "V2Error";
}

export interface InferRequest {
  readonly id: string | undefined;
  /** Data and sizes of every input of the model, in its order. */
  readonly data: readonly TensorData[];
  readonly dims: readonly (readonly number[])[];
  /** Indices of the outputs to return, in the order asked for. */
  readonly outputs: readonly number[];
}

type Item = Readonly<Record<string, unknown>>;

const named = (list: unknown, what: string): Map<string, Item> => {
  if (!Array.isArray(list)) throw new V2Error(`"${what}" must be an array.`);
  const map = new Map<string, Item>();
  for (const item of list as unknown[]) {
    if (!isObject(item) || typeof item["name"] !== "string") {
      throw new V2Error(`Every element of "${what}" must be an object with a name.`);
    }
    if (map.has(item["name"])) throw new V2Error(`"${what}" names "${item["name"]}" twice.`);
    map.set(item["name"], item);
  }
  return map;
};

/** Writes one JSON element; false when it is not of the type. */
function store(type: ElementType, data: TensorData, at: number, value: unknown): boolean {
  if (type === "string") {
    if (typeof value !== "string" || notText(value) !== undefined) return false;
    (data as string[])[at] = value;
    return true;
  }
  if (type === "bool") {
    if (typeof value !== "boolean" && value !== 1 && value !== 0) return false;
    (data as Uint8Array)[at] = value ? 1 : 0;
    return true;
  }
  if (!isNumber(value)) return false;
  const number = isFloat(type) ? nearestTo(value) : wholeOf(value);
  const [min = -Infinity, max = Infinity] = RANGES[type] ?? [];
  if (number === undefined || number < min || number > max) return false;
  if (type === "int64" || type === "uint64") (data as BigInt64Array)[at] = BigInt(number);
  else (data as Float64Array)[at] = Number(number);
  return true;
}

/** A caller's value as an error quotes it. */
const shown = (value: unknown): string =>
  value === undefined ? "none" : JSON.stringify(value).slice(0, 100);

function readShape(spec: TensorSpec, given: unknown): number[] {
  const fits =
    Array.isArray(given) &&
    given.length === spec.shape.length &&
    given.every((size, d) => {
      const wanted = d === 0 ? null : spec.shape[d];
      return Number.isSafeInteger(size) && (size as number) >= 1 && (wanted ?? size) === size;
    });
  if (!fits) {
    const wanted = shapeText([null, ...spec.shape.slice(1)]);
    throw new V2Error(
      `Input "${spec.name}" has the shape ${shown(given)}; it must be ${wanted}, every size at least 1.`,
    );
  }
  return given as number[];
}

/** The elements in row-major order: data is flat, or nested as its shape says. Throws V2Error. */
function elementsOf(
  name: string,
  data: readonly unknown[],
  dims: readonly number[],
): readonly unknown[] {
  if (dims.length < 2 || !Array.isArray(data[0])) return data;
  const check = (part: unknown, depth: number): void => {
    const size = dims[depth];
    const length = Array.isArray(part) ? part.length : undefined;
    if (length !== size) {
      const found = length === undefined ? "none" : `one of ${length}`;
      throw new V2Error(
        `Input "${name}" has nested data unlike its shape ${shapeText(dims)}: where an array of ${size} must be is ${found}.`,
      );
    }
    if (depth + 1 < dims.length) for (const inner of part as unknown[]) check(inner, depth + 1);
  };
  check(data, 0);
  return data.flat(dims.length - 1);
}

/**
 * What is wrong with the element that belongs to `field`, undefined when nothing is; it is written then.
 * `POST /predict` takes and refuses the same values, as far as the tensor's type has them.
 */
function storeFor(field: Field, data: TensorData, at: number, value: unknown): string | undefined {
  const { type, optional, kind } = field;
  if (value === null && optional) {
    (data as unknown[])[at] = type === "string" ? "" : NaN;
    return undefined;
  }
  if (!store(type, data, at, value)) {
    const wrong = typeof value === "string" && type === "string" ? notText(value) : undefined;
    return `that ${wrong ?? `is not a ${DATATYPES[type]}: it ${complaint(field, value)}`}`;
  }
  const written = type === "string" ? kind === "datetime" || kind === "string" : true;
  return !written || accepts(field, value) ? undefined : `that ${complaint(field, value)}`;
}

function readTensor(
  spec: TensorSpec,
  fields: readonly Field[],
  input: Item,
  maxElements: number,
): { data: TensorData; dims: number[] } {
  if (input["datatype"] !== DATATYPES[spec.type]) {
    throw new V2Error(
      `Input "${spec.name}" has the datatype ${shown(input["datatype"])}; it must be ${DATATYPES[spec.type]}.`,
    );
  }
  if (isObject(input["parameters"]) && "binary_data_size" in input["parameters"]) {
    throw new V2Error(`Input "${spec.name}" is sent as binary data; only JSON data is served.`);
  }
  const dims = readShape(spec, input["shape"]);
  if (!Array.isArray(input["data"]))
    throw new V2Error(`Input "${spec.name}" needs an array "data".`);
  const values = elementsOf(spec.name, input["data"] as unknown[], dims);
  const count = elementCount(dims);
  // Compared before anything is allocated: a shape is only a claim.
  if (values.length !== count || count > maxElements) {
    throw new V2Error(
      `Input "${spec.name}" has ${values.length} elements; its shape ${shapeText(dims)} needs ${count}.`,
    );
  }
  const data = allocate(spec.type, count);
  // Where no column is anything but its tensor, that is all there is to check.
  const plain = fields.every(({ kind, optional }) => kind === jsonKind(spec.type) && !optional);
  values.forEach((value, at) => {
    if (plain && store(spec.type, data, at, value)) return;
    const wrong = storeFor(fields[at % fields.length] as Field, data, at, value);
    if (wrong !== undefined)
      throw new V2Error(`Input "${spec.name}" has at ${at} an element ${wrong}.`);
  });
  return { data, dims };
}

/** Reads the parsed body of an infer request. Throws V2Error. */
export function readInferRequest(
  contract: Contract,
  body: unknown,
  maxElements: number,
): InferRequest {
  if (!isObject(body)) throw new V2Error("The body must be an object.");
  const { id } = body;
  if (id !== undefined && typeof id !== "string") throw new V2Error('"id" must be a string.');
  const given = named(body["inputs"], "inputs");
  const unknown = [...given.keys()].find(
    (name) => !contract.inputs.some((spec) => spec.name === name),
  );
  if (unknown !== undefined) {
    const known = contract.inputs.map(({ name }) => name).join(", ");
    throw new V2Error(
      `The model has no input "${unknown.slice(0, 100)}"; its inputs are ${known}.`,
    );
  }
  const tensors = contract.inputs.map((spec, i) => {
    const input = given.get(spec.name);
    if (!input) throw new V2Error(`Input "${spec.name}" is missing.`);
    return readTensor(spec, fieldsOf(contract, i), input, maxElements);
  });
  const dims = tensors.map((tensor) => tensor.dims);
  if (new Set(dims.map(([rows]) => rows)).size > 1) {
    throw new V2Error("The inputs have different numbers of rows.");
  }
  const wanted = body["outputs"] === undefined ? undefined : named(body["outputs"], "outputs");
  const outputs = wanted?.size
    ? [...wanted.keys()].map((name) => {
        const index = contract.outputs.findIndex((spec) => spec.name === name);
        if (index >= 0) return index;
        const known = contract.outputs.map((spec) => spec.name).join(", ");
        throw new V2Error(
          `The model has no output "${name.slice(0, 100)}"; its outputs are ${known}.`,
        );
      })
    : contract.outputs.map((_, i) => i);
  return { id, data: tensors.map(({ data }) => data), dims, outputs };
}

/** JSON of the reply: tensors flat in row-major order. */
export function inferResponse(
  model: { name: string; version: string; contract: Contract },
  { id, outputs }: Pick<InferRequest, "id" | "outputs">,
  tensors: readonly Output[],
): string {
  const texts = outputs.map((i) => {
    const spec = model.contract.outputs[i] as TensorSpec;
    const { data, dims } = tensors[i] as Output;
    const elements = Array.from({ length: data.length }, (_, at) =>
      elementText(spec.type, data, at),
    );
    return `{"name":${JSON.stringify(spec.name)},"datatype":"${DATATYPES[spec.type]}","shape":${JSON.stringify(dims)},"data":[${elements.join(",")}]}`;
  });
  const echoed = id === undefined ? "" : `"id":${JSON.stringify(id)},`;
  return `{${echoed}"model_name":${JSON.stringify(model.name)},"model_version":${JSON.stringify(model.version)},"outputs":[${texts.join(",")}]}`;
}
