import type { ModelFacts } from "./contract.ts";
import type { MLmodel } from "./signature.ts";
import { isFloat, type Classes, type Scalar, type TensorSpec } from "./types.ts";

const listed = (metadata: ReadonlyMap<string, string>, key: string): string[] | undefined => {
  try {
    const list: unknown = JSON.parse(metadata.get(key) ?? "");
    return Array.isArray(list) ? list.map(String) : undefined;
  } catch {
    return undefined;
  }
};

/** A list of names in the model's own metadata, or undefined. */
export const namesIn = listed;

const isText = (value: Scalar): boolean => typeof value === "string";

const places = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** One value a row: `[N]`, `[N, 1]`, or `[1, N]` as some converters leave what an index picked. */
const single = ({ shape }: TensorSpec): boolean =>
  shape.length === 1 || (shape.length === 2 && shape.includes(1));

/** By its own name, or because a ZipMap gave it: other floats beside labels are scores or distances. */
const isProbabilities = ({ name, type, shape }: TensorSpec, facts: ModelFacts): boolean =>
  shape.length === 2 && isFloat(type) && (/prob/i.test(name) || facts.zipped.has(name));

/**
 * What a model classifies, from what its conversion remembers, else from its metadata and its graph.
 * A classifier has a label a row, and a probability of each class or the original's labels.
 */
export function findClasses(facts: ModelFacts, mlmodel: MLmodel | undefined): Classes | undefined {
  const { outputs } = facts;
  const original = mlmodel?.original?.classLabels;
  const label = outputs.findIndex(
    (output) =>
      single(output) &&
      (["int64", "int32", "string"].includes(output.type) || original !== undefined) &&
      !isProbabilities(output, facts),
  );
  const labelOutput = outputs[label];
  if (!labelOutput || (outputs.length > 2 && !original)) return undefined;

  const given = [mlmodel?.classNames, listed(facts.metadata, "class_names")];
  const matrix = outputs.findIndex(
    (output, i) =>
      i !== label &&
      (isProbabilities(output, facts) ||
        // Names of classes say of the one other output what it is, whatever it is called.
        (!mlmodel?.original &&
          output.shape.length === 2 &&
          isFloat(output.type) &&
          given.some((names) => names !== undefined && names.length === output.shape[1]))),
  );
  if (matrix < 0 && !original) return undefined;

  // One column for two classes is the probability of the second.
  const width = outputs[matrix]?.shape[1] ?? null;
  const count = original?.length ?? (width === 1 ? null : width);
  const found = facts.classLabels.get(labelOutput.name) ?? [];
  const labels =
    found === "places"
      ? count === null
        ? undefined
        : places(count)
      : found.find((list) =>
          count === null ? width === null || list.length <= 2 : list.length === count,
        );
  const classes = count ?? labels?.length;
  const textual = original?.every(isText) ?? labelOutput.type === "string";
  const names = textual
    ? undefined
    : given.find((list) => list !== undefined && list.length === (classes ?? list.length));
  return {
    label,
    probabilities: matrix < 0 ? undefined : matrix,
    // Names without labels: the label is the place in the list, as converters number classes.
    labels: labels ?? (names && !original ? places(names.length) : undefined),
    original,
    names,
  };
}

/** The same classes where only `kept` of the outputs are answered. */
export function keptClasses(
  classes: Classes | undefined,
  outputs: readonly TensorSpec[],
  kept: readonly TensorSpec[],
): Classes | undefined {
  if (!classes) return undefined;
  const place = (index: number | undefined): number | undefined => {
    const at = kept.findIndex((output) => output === outputs[index ?? -1]);
    return at < 0 ? undefined : at;
  };
  const [label, probabilities] = [place(classes.label), place(classes.probabilities)];
  return label === undefined && probabilities === undefined
    ? undefined
    : { ...classes, label, probabilities };
}

/** What replies call the classes of `count` probabilities: by name, by label, or by place. */
export function classKeys(
  { names, original, labels }: Pick<Classes, "names" | "original" | "labels">,
  count: number,
): string[] {
  const known = (names ?? original ?? labels)?.map(String) ?? [];
  if (known.length === count) return known;
  if (known.length === 2 && count === 1) return known.slice(1);
  return places(count).map(String);
}

/** The forms that a tensor may have an original's label in: converters number and spell them. */
export function tensorForms(label: Scalar): readonly (string | number)[] {
  if (typeof label === "boolean") return [label ? 1 : 0, label ? "True" : "False", `${label}`];
  if (typeof label === "string") return [label];
  return [label, `${label}`, ...(Number.isInteger(label) ? [`${label}.0`] : [])];
}
