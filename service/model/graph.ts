import { SERVED_TYPES } from "../contract/types.ts";
import { encodeField, encodeInteger, fields, integers, type ProtoField } from "./protobuf.ts";

// Field numbers of onnx.proto, as far as they are read here.
const MODEL = { graph: 7, metadata: 14 };
const GRAPH = { node: 1, initializer: 5, input: 11, output: 12 };
const VALUE = { name: 1, type: 2 };
/** TypeProto's kinds. */
const KINDS: Readonly<Record<number, string>> = {
  4: "a sequence",
  5: "a map",
  8: "a sparse tensor",
  9: "an optional value",
};
const TENSOR_KIND = 1;
/** Element types that ONNX has and nothing here can read or write, by TensorProto's numbers. */
const UNSERVED: Readonly<Record<number, string>> = {
  14: "complex64",
  15: "complex128",
  16: "bfloat16",
  17: "float8e4m3fn",
  18: "float8e4m3fnuz",
  19: "float8e5m2",
  20: "float8e5m2fnuz",
  21: "uint4",
  22: "int4",
  23: "float4e2m1",
};
const NODE = { input: 1, output: 2, op: 4, attribute: 5 };
const ATTRIBUTE = { name: 1, tensor: 5, ints: 8, strings: 9 };
const TENSOR = { dims: 1, type: 2, strings: 6, name: 8, raw: 9 };
const FLOAT = 1;
/** More are not looked at: nobody has so many classes, and tables of embeddings are larger. */
const MOST_LABELS = 10_000;

/** What ONNX Runtime's Node binding does not tell about a model, and the model as it can run it. */
export interface GraphFacts {
  /** The model without its ZipMap nodes, or undefined when it had none and can be read as it is. */
  readonly rewritten: Buffer | undefined;
  /** For each output that a ZipMap gave: the tensor now in its place -> the output's own name. */
  readonly renamed: ReadonlyMap<string, string>;
  /** Names of the outputs that a ZipMap gave. */
  readonly zipped: ReadonlySet<string>;
  /** Of each output's name: what class labels it may have. */
  readonly classLabels: ReadonlyMap<string, FoundLabels>;
  /** The model's own key-value metadata. */
  readonly metadata: ReadonlyMap<string, string>;
}

type Labels = readonly (string | number)[];

/** Lists that a label may be taken from, most telling first; `places` where it is the place of its class. */
export type FoundLabels = readonly Labels[] | "places";

interface Node {
  readonly raw: Buffer;
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: readonly Buffer[];
}

const strings = (all: readonly ProtoField[], number: number): string[] =>
  all.filter((field) => field.number === number).map((field) => field.bytes.toString("utf8"));

/** A message's first string of a number. Stops there: a forest's attributes hold a field a node. */
function nameOf(message: Buffer, number: number): string {
  for (const field of fields(message)) {
    if (field.number === number) return field.bytes.toString("utf8");
  }
  return "";
}

function readNode(field: ProtoField): Node {
  const all = [...fields(field.bytes)];
  return {
    raw: field.raw,
    op: strings(all, NODE.op)[0] ?? "",
    inputs: strings(all, NODE.input),
    outputs: strings(all, NODE.output),
    attributes: all.filter((f) => f.number === NODE.attribute).map((f) => f.bytes),
  };
}

/** Labels in an attribute such as `classlabels_strings`, or a LabelEncoder's `values_int64s`. */
function labelsOfNode(node: Node): Labels {
  const named = node.op === "LabelEncoder" ? /^(values|classes)_/ : /^classlabels_/;
  for (const attribute of node.attributes) {
    if (!named.test(nameOf(attribute, ATTRIBUTE.name))) continue;
    const all = [...fields(attribute)];
    const texts = strings(all, ATTRIBUTE.strings);
    if (texts.length > 0) return texts;
    const numbers = all.filter((f) => f.number === ATTRIBUTE.ints).flatMap(integers);
    if (numbers.length > 0) return numbers.map(Number);
  }
  return [];
}

/** How the elements of a tensor are kept, by onnx.proto's number of its type. */
const STORED: Readonly<
  Record<number, { field: number; bytes: number; read: (raw: Buffer, at: number) => number }>
> = {
  1: { field: 4, bytes: 4, read: (raw, at) => raw.readFloatLE(at) },
  6: { field: 5, bytes: 4, read: (raw, at) => raw.readInt32LE(at) },
  7: { field: 7, bytes: 8, read: (raw, at) => Number(raw.readBigInt64LE(at)) },
  9: { field: 5, bytes: 1, read: (raw, at) => raw.readUInt8(at) },
  11: { field: 10, bytes: 8, read: (raw, at) => raw.readDoubleLE(at) },
};

/** Elements of a small tensor of numbers or strings that is one list; otherwise nothing. */
function labelsOfTensor(tensor: Buffer): Labels {
  const all = [...fields(tensor)];
  const dims = all.filter((f) => f.number === TENSOR.dims).flatMap(integers);
  const count = dims.reduce((product, size) => product * Number(size), 1);
  if (dims.filter((size) => size > 1n).length > 1 || count > MOST_LABELS) return [];
  const texts = strings(all, TENSOR.strings);
  if (texts.length > 0) return texts;
  const stored = STORED[Number(all.find((f) => f.number === TENSOR.type)?.value ?? 0n)];
  if (!stored) return [];
  const { field, bytes, read } = stored;
  const listed = all.filter((f) => f.number === field);
  // Floats are kept as they are in memory, integers as varints.
  if (listed.length > 0 && (field === 5 || field === 7))
    return listed.flatMap(integers).map(Number);
  const raw =
    all.find((f) => f.number === TENSOR.raw)?.bytes ?? Buffer.concat(listed.map((f) => f.bytes));
  return Array.from({ length: Math.floor(raw.length / bytes) }, (_, i) => read(raw, i * bytes));
}

/** Operators that hand labels on as they are, or in another shape or type. */
const PASSING = new Set([
  ...["Cast", "Concat", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"],
]);
/** Operators that take the labels that an index picks out of their first input. */
const PICKING = new Set(["ArrayFeatureExtractor", "Gather"]);
/** Operators whose result is a class by its place: 0, 1, …; however many there are. */
const PLACING = new Set(["ArgMax", "ArgMin"]);
/** Operators whose result is one of two: false or true, 0 or 1. */
const DECIDING = new Set([
  ...["Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Xor", "Not"],
]);

/** Finds where the labels in a tensor come from: the constants and attributes behind it. */
class LabelTracer {
  readonly #producers: ReadonlyMap<string, Node>;
  readonly #initializers: ReadonlyMap<string, Buffer>;

  constructor(nodes: readonly Node[], initializers: ReadonlyMap<string, Buffer>) {
    this.#producers = new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, node])));
    this.#initializers = initializers;
  }

  /** Lists of labels, nearest first; undefined where the trail is lost. */
  trace(output: string): FoundLabels | undefined {
    const found: Labels[] = [];
    let placed = false;
    const seen = new Set<string>();
    const queue = [output];
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      const node = this.#producers.get(name);
      if (!node || seen.has(name)) continue;
      seen.add(name);
      const { op, inputs } = node;
      if (PASSING.has(op)) queue.push(...inputs);
      else if (PLACING.has(op)) placed = true;
      else if (DECIDING.has(op)) found.push([0, 1]);
      else if (PICKING.has(op)) {
        const labels = this.constant(inputs[0] ?? "");
        if (labels.length > 0) found.push(labels);
        else queue.push(inputs[0] ?? "");
      } else if (op === "Where") {
        const [no, yes] = [this.constant(inputs[2] ?? ""), this.constant(inputs[1] ?? "")];
        // Converters number classes in the order of their labels.
        if (no.length === 1 && yes.length === 1)
          found.push([...no, ...yes].toSorted((a, b) => (a < b ? -1 : 1)));
        else queue.push(...inputs.slice(1));
      } else {
        const labels = labelsOfNode(node);
        if (labels.length > 0) found.push(labels);
      }
    }
    return found.length > 0 ? found : placed ? "places" : undefined;
  }

  /** The elements of a constant, also of one in another shape or type; nothing for any other tensor. */
  constant(name: string, most = 16): Labels {
    const initializer = this.#initializers.get(name);
    if (initializer) return labelsOfTensor(initializer);
    const node = this.#producers.get(name);
    if (node && PASSING.has(node.op) && node.op !== "Concat" && most > 0)
      return this.constant(node.inputs[0] ?? "", most - 1);
    if (node?.op !== "Constant") return [];
    for (const attribute of node.attributes) {
      const all = [...fields(attribute)];
      const tensor = all.find((f) => f.number === ATTRIBUTE.tensor);
      if (tensor) return labelsOfTensor(tensor.bytes);
      const texts = strings(all, ATTRIBUTE.strings);
      const numbers = all.filter((f) => f.number === ATTRIBUTE.ints).flatMap(integers);
      if (texts.length + numbers.length > 0) return [...texts, ...numbers.map(Number)];
    }
    return [];
  }
}

/** ValueInfo of a float tensor of any two sizes. */
const floatMatrix = (name: string): Buffer => {
  const anySize = encodeField(1, Buffer.alloc(0));
  const tensor = Buffer.concat([
    encodeInteger(1, FLOAT),
    encodeField(2, Buffer.concat([anySize, anySize])),
  ]);
  return Buffer.concat([encodeField(1, name), encodeField(2, encodeField(1, tensor))]);
};

/** Throws Error naming an input or output that is of a type which cannot be served. */
function checkServed(side: "input" | "output", value: Buffer): void {
  const type = [...fields(value)].find(({ number }) => number === VALUE.type);
  const [kind] = type ? [...fields(type.bytes)] : [];
  if (!kind) return;
  const element =
    kind.number === TENSOR_KIND
      ? [...fields(kind.bytes)].find(({ number }) => number === 1)?.value
      : undefined;
  const found =
    KINDS[kind.number] ?? (element === undefined ? undefined : UNSERVED[Number(element)]);
  if (found === undefined) return;
  throw new Error(
    `The model's ${side} "${nameOf(value, VALUE.name)}" is ${kind.number === TENSOR_KIND ? `a tensor of ${found}` : found}; ` +
      `served are tensors of ${SERVED_TYPES[side].join(", ")}. ${kind.number === TENSOR_KIND ? "Export the model with a Cast to one of these" : "Export the model with tensors in its place"}.`,
  );
}

/**
 * Reads an ONNX model's graph. Converters may end a classifier in ZipMap, whose sequence of maps the
 * Node binding cannot return: such nodes are taken out and the tensor they read becomes the output.
 * Throws Error when the bytes are not an ONNX model.
 */
export function readGraph(model: Buffer): GraphFacts {
  let top: ProtoField[];
  let inside: ProtoField[];
  try {
    top = [...fields(model)];
    inside = [
      ...fields(top.find((field) => field.number === MODEL.graph)?.bytes ?? Buffer.alloc(0)),
    ];
  } catch (cause) {
    throw new Error("The file is not an ONNX model, or it is cut short.", { cause });
  }
  if (inside.length === 0) throw new Error("The file is not an ONNX model: it has no graph.");

  const nodes = inside.filter((field) => field.number === GRAPH.node).map(readNode);
  const zipMaps = nodes.filter((node) => node.op === "ZipMap");
  const outputs = new Map(zipMaps.map((node) => [node.outputs[0] ?? "", node.inputs[0] ?? ""]));
  const graph = inside
    .filter((field) => !zipMaps.some((node) => node.raw === field.raw))
    .map((field) => {
      if (field.number !== GRAPH.output) return field.raw;
      const tensor = outputs.get(nameOf(field.bytes, 1));
      return tensor === undefined ? field.raw : encodeField(GRAPH.output, floatMatrix(tensor));
    });

  const initializers = new Map(
    inside
      .filter((field) => field.number === GRAPH.initializer)
      .map((field) => [nameOf(field.bytes, TENSOR.name), field.bytes]),
  );
  for (const { number, bytes } of inside) {
    // Older graphs list their weights as inputs too, and a ZipMap's output is taken out.
    if (number === GRAPH.input && !initializers.has(nameOf(bytes, VALUE.name)))
      checkServed("input", bytes);
    if (number === GRAPH.output && !outputs.has(nameOf(bytes, VALUE.name)))
      checkServed("output", bytes);
  }
  const tracer = new LabelTracer(nodes, initializers);
  // Where the trail is lost: any classifier's labels, and any list that something is picked from.
  const anywhere = [
    ...zipMaps.map(labelsOfNode),
    ...nodes.filter(({ op }) => op !== "LabelEncoder").map(labelsOfNode),
    ...nodes
      .filter(({ op }) => op === "ArrayFeatureExtractor")
      .map((node) => tracer.constant(node.inputs[0] ?? "")),
  ].filter((labels) => labels.length > 0);
  const outputNames = inside
    .filter((field) => field.number === GRAPH.output)
    .map((field) => nameOf(field.bytes, 1));
  return {
    rewritten:
      zipMaps.length === 0
        ? undefined
        : Buffer.concat(
            top.map((field) =>
              field.number === MODEL.graph
                ? encodeField(MODEL.graph, Buffer.concat(graph))
                : field.raw,
            ),
          ),
    renamed: new Map([...outputs].map(([output, tensor]) => [tensor, output])),
    zipped: new Set(outputs.keys()),
    classLabels: new Map(outputNames.map((name) => [name, tracer.trace(name) ?? anywhere])),
    metadata: new Map(
      top
        .filter((field) => field.number === MODEL.metadata)
        .map((field) => [nameOf(field.bytes, 1), nameOf(field.bytes, 2)]),
    ),
  };
}
