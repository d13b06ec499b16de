import {
  jsonKind,
  shapeText,
  type Classes,
  type Contract,
  type Dimension,
  type Field,
  type TensorSpec,
} from "./types.ts";

/**
 * Why somebody who calls a model of contract `from` would notice that `to` answers instead; undefined
 * when every request that was valid still is, and replies keep their form.
 */
export function contractChange(from: Contract, to: Contract): string | undefined {
  const changes = [
    ...inputChanges(from.fields, to.fields),
    ...tensorChanges("input", from.inputs, to.inputs, from.fields.length === to.fields.length),
    ...tensorChanges("output", from.outputs, to.outputs, true),
    ...classChanges(from, to),
  ];
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
        // A caller of protocol V2 sends columns by their place, and would get answers of others.
        ...(field.column === after.column
          ? []
          : [
              `${field.name} was column ${field.column} of its input and is column ${after.column}`,
            ]),
      ];
    }),
    ...to
      .filter(({ name, optional }) => !before.has(name) && !optional)
      .map(({ name }) => `${name} is required and was not known`),
  ];
}

/**
 * What callers of protocol V2 see of tensors: names, types and sizes. A size that is free, before or now,
 * says nothing.
 * @param sized whether sizes are compared: those of a table follow from its columns, which are told of
 */
function tensorChanges(
  side: "input" | "output",
  from: readonly TensorSpec[],
  to: readonly TensorSpec[],
  sized: boolean,
): string[] {
  const now = new Map(to.map((tensor) => [tensor.name, tensor]));
  return from.flatMap((tensor) => {
    const after = now.get(tensor.name);
    const what = `the ${side} ${tensor.name}`;
    if (!after) return [`${what} is gone`];
    const [was, is] = [tensor.shape.slice(1), after.shape.slice(1)];
    return [
      ...(tensor.type === after.type ? [] : [`${what} was ${tensor.type} and is ${after.type}`]),
      ...(!sized || fitting(was, is)
        ? []
        : [`${what} had the shape ${shapeText(tensor.shape)} and has ${shapeText(after.shape)}`]),
    ];
  });
}

const fitting = (a: readonly Dimension[], b: readonly Dimension[]): boolean =>
  a.length === b.length && a.every((size, k) => size === null || b[k] === null || size === b[k]);

function classChanges(from: Contract, to: Contract): string[] {
  if ((from.classes === undefined) !== (to.classes === undefined)) {
    return [from.classes ? "it does not classify any more" : "it classifies now"];
  }
  if (!from.classes || !to.classes) return [];
  return [
    ...labelChange(from, to),
    ...nameChanges(from.classes, to.classes),
    ...keyChanges(from.classes, to.classes),
  ];
}

/** Names of classes, which replies give beside their labels. */
function nameChanges({ names: was }: Classes, { names: is }: Classes): string[] {
  if (was === undefined) return [];
  if (is === undefined) return [`the names of its classes (${was.join(", ")}) are gone`];
  // Told of as keys where there are as many: here only a name that has come to mean another class.
  return was.every((name, place) => is[place] === name) || was.length !== is.length
    ? []
    : [`its classes were called ${was.join(", ")} and are called ${is.join(", ")}`];
}

/** What replies call classes: a caller knows the labels, and the keys of the probabilities. One more is no loss. */
function keyChanges(from: Classes, to: Classes): string[] {
  const [was, is] = [keys(from), keys(to)];
  if (was === undefined || is === undefined) return [];
  const gone = was.filter((key) => !is.includes(key));
  return gone.length === 0
    ? []
    : [`the classes ${gone.join(", ")} are gone: it has ${is.join(", ")}`];
}

/** The labels of all classes; undefined where nothing tells them. */
const keys = ({ original, labels }: Classes): readonly string[] | undefined =>
  (original ?? labels)?.map(String);

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
