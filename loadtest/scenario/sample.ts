// Requests made from a service's own description: rows like those that it shows as examples, and
// where it shows none, values within the ranges and choices that it gives.
import { between, numberOf, rangeOf, real, whole } from "./numbers.ts";
import {
  bestOf,
  deepest,
  examplesOf,
  isObject,
  listOf,
  partsOf,
  resolve,
  typeOf,
  typesOf,
  type Schema,
} from "./openapi.ts";

type Random = () => number;

/** Elements of an array, or characters of a text, at least: a description may ask for more than there is memory. */
const longest = 65_536;

const pick = <T>(values: readonly T[], random: Random): T =>
  values[Math.floor(random() * values.length)]!;

/** A value of `schema`, chosen by `random`. */
export function sample(document: unknown, node: unknown, random: Random, depth = 0): unknown {
  const schema = resolve(document, node);
  if (!isObject(schema) || depth > deepest) return null;
  if ("const" in schema) return schema["const"];
  const choices = listOf(schema["enum"]);
  if (choices.length > 0) return pick(choices, random);
  const examples = examplesOf(document, schema);
  if (examples.length > 0) return likeOneOf(document, schema, examples, random);
  // A default of null says that it may be left out, not what it is like.
  if (schema["default"] != null) return schema["default"];
  const best = bestOf(document, schema);
  // Beside a type of its own, a choice only says which properties go together.
  if (best !== undefined && typeOf(schema) === "any") {
    return sample(document, best, random, depth + 1);
  }
  const inner = (part: unknown): unknown => sample(document, part, random, depth + 1);
  if (Array.isArray(schema["allOf"])) {
    const parts = schema["allOf"].map(inner);
    return parts.every(isObject) ? Object.assign({}, ...parts) : parts[0];
  }
  const bounds = {
    least: numberOf(schema["minimum"]) ?? numberOf(schema["exclusiveMinimum"]),
    most: numberOf(schema["maximum"]) ?? numberOf(schema["exclusiveMaximum"]),
  };
  switch (typeOf(schema)) {
    case "object": {
      const properties = isObject(schema["properties"]) ? schema["properties"] : {};
      return Object.fromEntries(
        Object.entries(properties).map(([name, property]) => [name, inner(property)]),
      );
    }
    case "array": {
      const least = Math.min(numberOf(schema["minItems"]) ?? 1, longest);
      const most = Math.min(numberOf(schema["maxItems"]) ?? least, least + 4);
      return Array.from({ length: whole([least, most], random()) }, () => inner(schema["items"]));
    }
    case "integer": {
      const [low, high] = rangeOf(bounds, 9);
      // An end that is left out is never a whole number of the range.
      const least = excludes(schema, "Minimum") && bounds.least === low ? Math.floor(low) + 1 : low;
      const most = excludes(schema, "Maximum") && bounds.most === high ? Math.ceil(high) - 1 : high;
      return whole([least, most], random());
    }
    case "number":
      return real(rangeOf(bounds, 1), random());
    case "boolean":
      return random() < 0.5;
    case "string":
      return text(schema, random);
    default:
      return null;
  }
}

/** Whether an end of the range is not in it: OpenAPI 3.1 gives it as a number, 3.0 as a flag beside it. */
const excludes = (schema: Schema, end: "Minimum" | "Maximum"): boolean =>
  schema[`exclusive${end}`] === true ||
  (numberOf(schema[end.toLowerCase()]) === undefined &&
    numberOf(schema[`exclusive${end}`]) !== undefined);

/** Texts of the formats that a server would refuse any other text for. */
const formats: Readonly<Record<string, string>> = {
  "date-time": "2024-05-17T12:30:00Z",
  date: "2024-05-17",
  time: "12:30:00Z",
  uuid: "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
};

function text(schema: Schema, random: Random): string {
  const formatted = formats[String(schema["format"])];
  if (formatted !== undefined) return formatted;
  const least = Math.min(numberOf(schema["minLength"]) ?? 0, longest);
  return `text-${whole([0, 999_999], random())}`
    .padEnd(least, "x")
    .slice(0, numberOf(schema["maxLength"]));
}

/** One of the examples, its numbers moved towards those of another; the only one as it is. */
function likeOneOf(
  document: unknown,
  schema: Schema,
  examples: readonly unknown[],
  random: Random,
): unknown {
  const one = Math.floor(random() * examples.length);
  const step = 1 + Math.floor(random() * (examples.length - 1));
  const other = examples[(one + step) % examples.length];
  return examples.length === 1 ? other : mixed(document, schema, examples[one], other, random);
}

/**
 * `value` with each number whose schema allows fractions put somewhere between it and that of `other`.
 * Whole numbers may be categories, and texts, booleans and nulls have nothing between them: they stay.
 */
function mixed(
  document: unknown,
  node: unknown,
  value: unknown,
  other: unknown,
  random: Random,
): unknown {
  const [a, b] = [numberOf(value), numberOf(other)];
  if (a !== undefined && b !== undefined) {
    return a !== b && takesFractions(document, node) ? between(a, b, random()) : value;
  }
  if (Array.isArray(value)) {
    const parts = partsOf(document, node);
    const prefix = parts
      .map((part) => listOf(part["prefixItems"]))
      .find(({ length }) => length > 0);
    const items = parts.map((part) => part["items"]).find((part) => part !== undefined);
    return value.map((one, i) =>
      mixed(document, prefix?.[i] ?? items, one, listOf(other)[i], random),
    );
  }
  if (!isObject(value)) return value;
  const parts = partsOf(document, node);
  const property = (name: string): unknown =>
    parts
      .map((part) =>
        isObject(part["properties"]) && Object.hasOwn(part["properties"], name)
          ? part["properties"][name]
          : part["additionalProperties"],
      )
      .find(isObject);
  return Object.fromEntries(
    Object.entries(value).map(([name, one]) => [
      name,
      mixed(document, property(name), one, isObject(other) ? other[name] : undefined, random),
    ]),
  );
}

/** Answers of `takesFractions`: an image asks for each of its pixels. */
const fractions = new WeakMap<object, boolean>();

function takesFractions(document: unknown, node: unknown): boolean {
  if (!isObject(node)) return false;
  const known = fractions.get(node);
  if (known !== undefined) return known;
  const types = typesOf(document, node);
  const listed = partsOf(document, node).some(
    (part) => "enum" in part || "const" in part || "multipleOf" in part,
  );
  const free = types.has("number") && !types.has("integer") && !listed;
  fractions.set(node, free);
  return free;
}
