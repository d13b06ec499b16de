import { jsonKind, type Contract, type Field, type TensorSpec } from "./types.ts";

/**
 * Why somebody who calls a model of contract `from` would notice that `to` answers instead; undefined
 * when every request that was valid still is, and replies keep their form.
 */
export function contractChange(from: Contract, to: Contract): string | undefined {
  const changes = [...inputChanges(from.fields, to.fields), ...outputChanges(from, to)];
  return changes.length === 0 ? undefined : changes.join("; ");
}

function inputChanges(from: readonly Field[], to: readonly Field[]): string[] {
  const now = new Map(to.map((field) => [field.name, field]));
  const before = new Set(from.map(({ name }) => name));
  return [
    ...from.flatMap((field) => {
      const after = now.get(field.name);
      if (!after) return [`${field.name} is not taken any more`];
      const wider = field.kind === "integer" && after.kind === "number";
      return [
        ...(after.kind === field.kind || wider
          ? []
          : [`${field.name} was ${field.kind} and is ${after.kind}`]),
        ...(field.optional && !after.optional
          ? [`${field.name} was optional and is required`]
          : []),
        ...(sameShape(field.shape, after.shape) ? [] : [`${field.name} has another shape`]),
      ];
    }),
    ...to
      .filter(({ name, optional }) => !before.has(name) && !optional)
      .map(({ name }) => `${name} is required and was not known`),
  ];
}

function outputChanges(from: Contract, to: Contract): string[] {
  const now = new Map(to.outputs.map((output) => [output.name, output]));
  return [
    ...from.outputs.flatMap((output: TensorSpec) => {
      const after = now.get(output.name);
      if (!after) return [`the output ${output.name} is gone`];
      const [was, is] = [jsonKind(output.type), jsonKind(after.type)];
      return was === is ? [] : [`the output ${output.name} was ${was} and is ${is}`];
    }),
    ...labelChange(from, to),
    ...((from.classes === undefined) === (to.classes === undefined)
      ? []
      : [from.classes ? "it does not classify any more" : "it classifies now"]),
  ];
}

/** A label that was 1 and is true, where the tensors are the same. */
function labelChange(from: Contract, to: Contract): string[] {
  const [was, is] = [labelKind(from), labelKind(to)];
  return was === undefined || is === undefined || was === is
    ? []
    : [`the label was ${was} and is ${is}`];
}

function labelKind({ classes, outputs }: Contract): string | undefined {
  const output = outputs[classes?.label ?? -1];
  if (!output) return undefined;
  const kinds = new Set(
    classes?.original?.map((label) =>
      typeof label === "number" && Number.isInteger(label) ? "integer" : typeof label,
    ),
  );
  return kinds.size > 0 ? [...kinds].toSorted().join(" or ") : jsonKind(output.type);
}

const sameShape = (a: readonly unknown[], b: readonly unknown[]): boolean =>
  a.length === b.length && a.every((size, k) => size === b[k]);
