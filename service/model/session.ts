// ONNX Runtime 1.29 and later report usage to Microsoft unless this is set before the library loads.
process.env["ORT_DISABLE_TELEMETRY"] = "1";

import { createRequire } from "node:module";
import type {
  InferenceSession as Public,
  Tensor as OrtTensor,
  TensorConstructor,
} from "onnxruntime-node";
import type { Output } from "../contract/encode.ts";
import type { ElementType, TensorData, TensorSpec } from "../contract/types.ts";

// The public `run` puts every call off to the next turn of the event loop; the binding under it runs
// at once, so that a batch takes in all that has arrived and its replies leave in the same turn.
interface Binding {
  InferenceSession: new () => NativeSession;
}

interface NativeSession {
  loadModel(path: string, options: Public.SessionOptions): void;
  loadModel(
    buffer: ArrayBufferLike,
    offset: number,
    length: number,
    options: Public.SessionOptions,
  ): void;
  readonly inputMetadata: readonly NativeMetadata[];
  readonly outputMetadata: readonly NativeMetadata[];
  run(
    feeds: Readonly<Record<string, OrtTensor>>,
    fetches: Readonly<Record<string, null>>,
    options: Public.RunOptions,
  ): Record<string, OrtTensor>;
  dispose(): void;
}

interface NativeMetadata {
  name: string;
  isTensor: boolean;
  symbolicDimensions: string[];
  shape: number[];
  type: number;
}

const require = createRequire(import.meta.url);
const { Tensor } = require("onnxruntime-node") as { Tensor: TensorConstructor };
const { binding, initOrt } = require("onnxruntime-node/dist/binding.js") as {
  binding: Binding;
  initOrt: () => void;
};

// Numbers of onnx.proto's TensorProto.DataType.
const ELEMENT_TYPES: Readonly<Record<number, ElementType>> = {
  1: "float32",
  2: "uint8",
  3: "int8",
  4: "uint16",
  5: "int16",
  6: "int32",
  7: "int64",
  8: "string",
  9: "bool",
  10: "float16",
  11: "float64",
  12: "uint32",
  13: "uint64",
};

/** One run: `data` and `dims` of every input in order; outputs in order. Throws what the model throws. */
export type Run = (data: readonly TensorData[], dims: readonly (readonly number[])[]) => Output[];

/** A model in ONNX Runtime's memory. Runs are synchronous: there is one core and no other to wait for. */
export interface Session {
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  /** Runs the model for some of its outputs, by index and in their order. */
  runFor(outputs: readonly number[]): Run;
  close(): void;
}

export interface SessionOptions {
  /** Threads within one operator: the cores this process may use. */
  readonly threads: number;
  /** Folder of tensors kept outside the model file, where the model comes as bytes. */
  readonly externalDataFolder?: string;
}

// What a run throws says all; its log would be one line to the console for every refused row.
const QUIET: Public.RunOptions = { logSeverityLevel: 4 };

const specs = (all: readonly NativeMetadata[], side: string): TensorSpec[] =>
  all.map(({ name, isTensor, shape, type }) => {
    const element = ELEMENT_TYPES[type];
    if (!isTensor || element === undefined) {
      throw new Error(`The model's ${side} "${name}" is no tensor of a type that can be served.`);
    }
    return { name, type: element, shape: shape.map((size) => (size < 0 ? null : size)) };
  });

/** Opens a model from a file or from bytes. Throws Error when ONNX Runtime refuses it. */
export function openSession(model: string | Buffer, options: SessionOptions): Session {
  initOrt();
  const native = new binding.InferenceSession();
  const settings: Public.SessionOptions = {
    intraOpNumThreads: options.threads,
    interOpNumThreads: 1,
    executionMode: "sequential",
    graphOptimizationLevel: "all",
    // Patterns are kept for every batch size ever seen, the arena for the largest: memory that is not there.
    enableMemPattern: false,
    enableCpuMemArena: false,
    logSeverityLevel: 3,
    extra: {
      session: {
        ...(options.externalDataFolder === undefined
          ? {}
          : { model_external_initializers_file_folder_path: options.externalDataFolder }),
        // Idle threads that spin would eat the CPU quota of the ones that work.
        intra_op: { allow_spinning: "0" },
      },
    },
  };
  if (typeof model === "string") native.loadModel(model, settings);
  else native.loadModel(model.buffer, model.byteOffset, model.byteLength, settings);

  const inputs = specs(native.inputMetadata, "input");
  const outputs = specs(native.outputMetadata, "output");
  return {
    inputs,
    outputs,
    runFor(wanted) {
      const names = wanted.map((i) => outputs[i]?.name ?? "");
      const fetches = Object.fromEntries(names.map((name) => [name, null]));
      return (data, dims) => {
        const feeds: Record<string, OrtTensor> = {};
        inputs.forEach(({ name, type }, i) => {
          feeds[name] = new Tensor(type as "float32", data[i] as Float32Array, dims[i] ?? []);
        });
        const results = native.run(feeds, fetches, QUIET);
        return names.map((name) => {
          const tensor = results[name] as OrtTensor;
          return { data: tensor.data, dims: tensor.dims };
        });
      };
    },
    close: () => {
      native.dispose();
    },
  };
}
