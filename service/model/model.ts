import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { makeContract } from "../contract/contract.ts";
import { RowDecoder } from "../contract/decode.ts";
import { firstExample } from "../contract/example.ts";
import { RowEncoder, type Output } from "../contract/encode.ts";
import { parseMLmodel } from "../contract/signature.ts";
import { allocate, elementCount, type Contract, type TensorData } from "../contract/types.ts";
import { readGraph } from "./graph.ts";
import { openSession, type Session } from "./session.ts";

/** Where a model comes from, for people and for `GET /model`. */
export interface ModelIdentity {
  /** Name in the address of protocol V2. */
  readonly name: string;
  readonly version: string;
  readonly alias?: string;
  readonly loadedAt: Date;
}

/** A model in memory, ready to run. */
export interface LoadedModel extends ModelIdentity {
  /** sha256 of the ONNX file. */
  readonly digest: string;
  readonly contract: Contract;
  readonly decoder: RowDecoder;
  readonly encoder: RowEncoder;
  /** Rows of one run are independent: outputs have one part for each. */
  readonly rowwise: boolean;
  /** Runs the model; `dims` are the sizes of every input. Throws what the model throws. */
  run(inputs: readonly TensorData[], dims: readonly (readonly number[])[]): Output[];
  close(): void;
}

export interface LoadOptions {
  readonly threads: number;
}

/** A mistake in a model or its description, told in one sentence. */
export class ModelError extends Error {
  override name = "ModelError";
}

/** Runs the documentation's example twice over: does every output have a part for each row? */
function answersByRow(session: Session, contract: Contract, decoder: RowDecoder): boolean {
  const rows = contract.rowsPerRun === "any" ? 2 : contract.rowsPerRun;
  const shapes = decoder.rowShape(contract, contract.example);
  const widths = shapes.map(elementCount);
  const data = contract.inputs.map(({ type }, i) => allocate(type, rows * (widths[i] ?? 1)));
  for (let row = 0; row < rows; row++) decoder.write([contract.example], 0, 1, data, widths, row);
  try {
    const dims = contract.inputs.map(({ shape }, i) =>
      shape.length === 1 ? [rows] : [rows, ...(shapes[i] ?? [])],
    );
    return session.run(data, dims).every(({ dims: [first] }) => first === rows);
  } catch {
    // The example is made up and may be refused; then the declared shapes are believed.
    return contract.outputs.every(({ shape }) => shape.length > 0 && shape[0] === null);
  }
}

/** The example logged with the model where it fits the model, otherwise the made-up one. */
function exampleIn(folder: string, contract: Contract, decoder: RowDecoder): Contract["example"] {
  const file = join(folder, "serving_input_example.json");
  const row = existsSync(file)
    ? firstExample(readFileSync(file, "utf8"), contract.fields)
    : undefined;
  return row !== undefined && decoder.check([row], true).length === 0 ? row : contract.example;
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
  const folder = statSync(path).isDirectory() ? path : dirname(path);
  const description = join(folder, "MLmodel");
  const mlmodel = existsSync(description)
    ? parseMLmodel(readFileSync(description, "utf8"))
    : undefined;
  const file = folder === path ? join(folder, mlmodel?.file ?? "model.onnx") : path;

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
    const contract = { ...described, example: exampleIn(folder, described, decoder) };
    const rowwise = answersByRow(session, contract, decoder);
    return {
      name: identity.name ?? (basename(folder) || "model"),
      version: identity.version ?? "1",
      ...(identity.alias === undefined ? {} : { alias: identity.alias }),
      digest,
      loadedAt: identity.loadedAt ?? new Date(),
      contract,
      decoder,
      encoder: new RowEncoder(contract),
      rowwise,
      run: (inputs, dims) => session.run(inputs, dims),
      close: () => {
        session.close();
      },
    };
  } catch (error) {
    session.close();
    throw error;
  }
}
