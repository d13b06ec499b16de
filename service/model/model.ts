import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { makeContract } from "../contract/contract.ts";
import { RowDecoder } from "../contract/decode.ts";
import { exampleRows } from "../contract/example.ts";
import { RowEncoder, type Output } from "../contract/encode.ts";
import { RowReader } from "../contract/reader.ts";
import { readDescription } from "../contract/description.ts";
import { parseMLmodel } from "../contract/signature.ts";
import {
  allocate,
  elementCount,
  type Contract,
  type Row,
  type TensorData,
} from "../contract/types.ts";
import { ModelError } from "./fault.ts";
import { readGraph } from "./graph.ts";
import { independent, VARIED, vary } from "./independence.ts";
import { safePath } from "./manifest.ts";
import { openSession, type Run } from "./session.ts";

/** Where a model comes from, for people and for `GET /model`. */
export interface ModelIdentity {
  /** Name in the address of protocol V2. */
  readonly name: string;
  readonly version: string;
  /** What pointed at it in a registry, if something did. */
  readonly alias?: string;
  readonly stage?: string;
  readonly loadedAt: Date;
}

/** A model in memory, ready to run. */
export interface LoadedModel extends ModelIdentity {
  /** sha256 of the ONNX file. */
  readonly digest: string;
  readonly contract: Contract;
  readonly decoder: RowDecoder;
  readonly reader: RowReader;
  readonly encoder: RowEncoder;
  /** Outputs have one part for each row of a run. */
  readonly rowwise: boolean;
  /** A row's answer is the same whatever rows are beside it: requests of strangers may share a run. */
  readonly independent: boolean;
  /** Runs the model; `dims` are the sizes of every input. Throws what the model throws. */
  run(inputs: readonly TensorData[], dims: readonly (readonly number[])[]): Output[];
  close(): void;
}

export interface LoadOptions {
  readonly threads: number;
}

/** As it is told: the alias or the stage, and nothing where it is neither. */
export const pointerOf = ({ alias, stage }: Partial<ModelIdentity>): Partial<ModelIdentity> => ({
  ...(alias === undefined ? {} : { alias }),
  ...(stage === undefined ? {} : { stage }),
});

/** Runs the documentation's example twice over: the sizes of every output; undefined where it is refused. */
function tryOut(
  run: Run,
  contract: Contract,
  decoder: RowDecoder,
  rows: number,
): (readonly number[])[] | undefined {
  const shapes = decoder.rowShape(contract, contract.example);
  const widths = shapes.map(elementCount);
  const data = contract.inputs.map(({ type }, i) => allocate(type, rows * (widths[i] ?? 1)));
  for (let row = 0; row < rows; row++) decoder.write([contract.example], 0, 1, data, widths, row);
  try {
    const dims = contract.inputs.map(({ shape }, i) =>
      shape.length === 1 ? [rows] : [rows, ...(shapes[i] ?? [])],
    );
    return run(data, dims).map((output) => output.dims);
  } catch {
    return undefined;
  }
}

/** Whether rows that differ answer alone as they do together. */
function triedIndependent(run: Run, contract: Contract, decoder: RowDecoder): boolean {
  const { inputs, examples, example } = contract;
  const sizes = decoder.rowShape(contract, example);
  const widths = sizes.map(elementCount);
  const data = inputs.map(({ type }, i) => allocate(type, VARIED * (widths[i] ?? 1)));
  // Rows of one size; where a size is free, the documentation's row.
  const known = contract.shareable && examples.length > 0 ? examples : [example];
  for (let row = 0; row < VARIED; row++) {
    decoder.write([known[row % known.length] ?? example], 0, 1, data, widths, row);
  }
  vary(data, widths);
  inputs.forEach(({ type }, i) => {
    if (type === "bool") data[i]?.forEach((_, at, all) => ((all as Uint8Array)[at] = at % 2));
  });
  const rowSizes = sizes.map((size, i) => (inputs[i]?.shape.length === 1 ? [] : size));
  return independent(run, { count: VARIED, data, sizes: rowSizes });
}

/** What a run gave, with those outputs as a list that have all their rows in one row: `[1, N]`. */
const unrolled =
  (run: Run, lying: readonly boolean[]): Run =>
  (data, dims) =>
    run(data, dims).map((output, i) =>
      lying[i] === true ? { ...output, dims: output.dims.slice(1) } : output,
    );

/** How a model answers: with a part of every output for each row, or as a whole. */
function answering(run: Run, contract: Contract, decoder: RowDecoder) {
  const rows = contract.rowsPerRun === "any" ? 2 : contract.rowsPerRun;
  const seen = tryOut(run, contract, decoder, rows);
  const lying = contract.outputs.map(({ shape }, i) => {
    const [one, all, ...more] = seen?.[i] ?? [];
    return rows > 1 && shape.length === 2 && one === 1 && all === rows && more.length === 0;
  });
  const outputs = contract.outputs.map((output, i) =>
    lying[i] === true ? { ...output, shape: output.shape.slice(1) } : output,
  );
  const answer = lying.includes(true) ? unrolled(run, lying) : run;
  // The example is made up and may be refused; then the declared shapes are believed.
  const rowwise = seen
    ? seen.every(([first], i) => first === rows || lying[i] === true)
    : contract.outputs.every(
        ({ shape: [first] }) => first === null || first === contract.rowsPerRun,
      );
  return {
    contract: { ...contract, outputs },
    run: answer,
    rowwise,
    // A fixed number of rows is never shared, and cannot be tried row by row.
    independent:
      rowwise && contract.rowsPerRun === "any" && triedIndependent(answer, contract, decoder),
  };
}

/** Files with rows like the model's own, the most telling first; those of MLflow are its input example. */
const EXAMPLES = ["sample_rows.json", "serving_input_example.json", "input_example.json"];
/** What would take more to read than a small replica has is left. */
const MOST_EXAMPLE_BYTES = 4 * 1024 ** 2;

/** The rows of the first file that has any which fit the model. */
function examplesIn(folder: string, { fields }: Contract, decoder: RowDecoder): readonly Row[] {
  const valid = (row: Row): boolean => decoder.check([row], true).length === 0;
  for (const file of EXAMPLES.map((name) => join(folder, name))) {
    const found = statSync(file, { throwIfNoEntry: false });
    if (!found?.isFile() || found.size > MOST_EXAMPLE_BYTES) continue;
    const rows = exampleRows(readFileSync(file, "utf8"), fields, valid);
    if (rows.length > 0) return rows;
  }
  return [];
}

/** What a model is called that nobody has named: like its file, or its folder where the file says nothing. */
export function nameOf(path: string, isFolder: boolean): string {
  const own = basename(resolve(path), isFolder ? "" : ".onnx");
  return (isFolder || own !== "model" ? own : basename(dirname(resolve(path)))) || "model";
}

/**
 * Loads an ONNX file, or a folder with an ONNX model and perhaps MLflow's `MLmodel`.
 * Throws ModelError when it cannot be read, run, or disagrees with its signature.
 */
export function loadModel(
  path: string,
  identity: Partial<ModelIdentity>,
  options: LoadOptions,
): LoadedModel {
  try {
    return load(path, identity, options);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ModelError(`The model at ${path} cannot be served. ${reason}`, { cause });
  }
}

function load(path: string, identity: Partial<ModelIdentity>, options: LoadOptions): LoadedModel {
  const isFolder = statSync(path).isDirectory();
  const folder = isFolder ? path : dirname(path);
  const description = readDescription(folder);
  const mlmodel = description === undefined ? undefined : parseMLmodel(description);
  // What it names is in the folder, whose digest says what is served.
  const file = isFolder ? join(folder, safePath(mlmodel?.file ?? "model.onnx")) : path;
  if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true)
    throw new Error(`${basename(file)} is no file.`);

  const bytes = readFileSync(file);
  const digest = createHash("sha256").update(bytes).digest("hex");
  const graph = readGraph(bytes);
  const session = openSession(graph.rewritten ?? file, {
    threads: options.threads,
    ...(graph.rewritten ? { externalDataFolder: dirname(file) } : {}),
  });
  try {
    const outputs = session.outputs.map((output) => ({
      ...output,
      name: graph.renamed.get(output.name) ?? output.name,
    }));
    const described = makeContract({ ...graph, inputs: session.inputs, outputs }, mlmodel);
    const decoder = new RowDecoder(described);
    const examples = examplesIn(folder, described, decoder);
    const {
      contract,
      run,
      rowwise,
      independent: proven,
    } = answering(
      session.runFor(described.outputs.map((output) => outputs.indexOf(output))),
      { ...described, examples, example: examples[0] ?? described.example },
      decoder,
    );
    return {
      name: identity.name ?? nameOf(path, isFolder),
      version: identity.version ?? "1",
      ...pointerOf(identity),
      digest,
      loadedAt: identity.loadedAt ?? new Date(),
      contract,
      decoder,
      reader: new RowReader(contract),
      encoder: new RowEncoder(contract),
      rowwise,
      independent: proven,
      run,
      close: () => {
        session.close();
      },
    };
  } catch (error) {
    session.close();
    throw error;
  }
}
