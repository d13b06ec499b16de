import { encodeField, encodeInteger, fields, integers, type ProtoField } from "./protobuf.ts";

// Field numbers of onnx.proto, as far as they are read here.
const MODEL = { graph: 7, metadata: 14 };
const GRAPH = { node: 1, initializer: 5, output: 12 };
const NODE = { input: 1, output: 2, op: 4, attribute: 5 };
const ATTRIBUTE = { name: 1, ints: 8, strings: 9 };
const TENSOR = { dims: 1, type: 2, int32: 5, strings: 6, int64: 7, name: 8, raw: 9 };
const FLOAT = 1;
const INT32 = 6;
const INT64 = 7;

/** What ONNX Runtime's Node binding does not tell about a model, and the model as it can run it. */
export interface GraphFacts {
  /** The model without its ZipMap nodes, or undefined when it had none and can be read as it is. */
  readonly rewritten: Buffer | undefined;
  /** For each output that a ZipMap gave: the tensor now in its place -> the output's own name. */
  readonly renamed: ReadonlyMap<string, string>;
  /** Lists of class labels found, most telling first. */
  readonly classLabels: readonly (readonly (string | number)[])[];
  /** The model's own key-value metadata. */
  readonly metadata: ReadonlyMap<string, string>;
}

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

/** Labels in an attribute such as `classlabels_strings` or `classlabels_int64s`. */
function labelsOfNode(node: Node): (string | number)[] {
  for (const attribute of node.attributes) {
    if (!nameOf(attribute, ATTRIBUTE.name).startsWith("classlabels_")) continue;
    const all = [...fields(attribute)];
    const texts = strings(all, ATTRIBUTE.strings);
    if (texts.length > 0) return texts;
    const numbers = all.filter((f) => f.number === ATTRIBUTE.ints).flatMap(integers);
    if (numbers.length > 0) return numbers.map(Number);
  }
  return [];
}

/** Elements of a small one-dimensional tensor of integers or strings; otherwise nothing. */
function labelsOfTensor(tensor: Buffer): (string | number)[] {
  const all = [...fields(tensor)];
  const dims = all.filter((f) => f.number === TENSOR.dims).flatMap(integers);
  if (dims.length !== 1) return [];
  const texts = strings(all, TENSOR.strings);
  if (texts.length > 0) return texts;
  const type = Number(all.find((f) => f.number === TENSOR.type)?.value ?? 0n);
  if (type !== INT32 && type !== INT64) return [];
  const listed = all
    .filter((f) => f.number === (type === INT32 ? TENSOR.int32 : TENSOR.int64))
    .flatMap(integers);
  if (listed.length > 0) return listed.map(Number);
  const raw = all.find((f) => f.number === TENSOR.raw)?.bytes ?? Buffer.alloc(0);
  const step = type === INT32 ? 4 : 8;
  return Array.from({ length: raw.length / step }, (_, i) =>
    type === INT32 ? raw.readInt32LE(i * step) : Number(raw.readBigInt64LE(i * step)),
  );
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
  const picked = nodes
    .filter((node) => node.op === "ArrayFeatureExtractor")
    .map((node) => initializers.get(node.inputs[0] ?? ""));
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
    classLabels: [
      ...zipMaps.map(labelsOfNode),
      ...nodes.map(labelsOfNode),
      ...picked.map((tensor) => (tensor ? labelsOfTensor(tensor) : [])),
    ].filter((labels) => labels.length > 0),
    metadata: new Map(
      top
        .filter((field) => field.number === MODEL.metadata)
        .map((field) => [nameOf(field.bytes, 1), nameOf(field.bytes, 2)]),
    ),
  };
}
