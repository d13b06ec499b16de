import { readFileSync } from "node:fs";
import { join } from "node:path";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { parse } from "yaml";

export interface Prediction {
  label: number;
  class: string | undefined;
  probabilities: Record<string, number>;
}

/** A model in memory, ready to run. */
export interface LoadedModel {
  readonly features: readonly string[];
  predict(rows: readonly Record<string, number>[]): Promise<Prediction[]>;
}

interface MLmodel {
  metadata: { class_names: string[] };
  signature: { inputs: string };
}

/** Loads `model.onnx` as described by `MLmodel`, both in `folder`. */
export async function loadModel(folder: string): Promise<LoadedModel> {
  const description = parse(readFileSync(join(folder, "MLmodel"), "utf8")) as MLmodel;
  const columns = JSON.parse(description.signature.inputs) as { name: string }[];
  const features = columns.map((column) => column.name);
  const classes = description.metadata.class_names;
  const session = await InferenceSession.create(join(folder, "model.onnx"), {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
  });
  const input = session.inputNames[0] ?? "input";
  return {
    features,
    async predict(rows) {
      const data = Float32Array.from(
        rows.flatMap((row) => features.map((name) => row[name] ?? NaN)),
      );
      const result = await session.run({
        [input]: new Tensor("float32", data, [rows.length, features.length]),
      });
      const labels = result["label"]?.data as BigInt64Array;
      const probabilities = result["probabilities"]?.data as Float32Array;
      return Array.from(labels, (label, row) => ({
        label: Number(label),
        class: classes[Number(label)],
        probabilities: Object.fromEntries(
          classes.map((name, k) => [name, probabilities[row * classes.length + k] ?? NaN]),
        ),
      }));
    },
  };
}
