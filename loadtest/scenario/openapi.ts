// Requests made from a service's own description: each time another value within the ranges and
// choices its OpenAPI document gives.

type Schema = Record<string, unknown>;
type Random = () => number;

const isObject = (value: unknown): value is Schema =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The schema of the JSON body of `method path`, or undefined when the document has none. */
export function bodySchema(document: unknown, path: string, method: string): Schema | undefined {
  let node: unknown = document;
  const steps = ["paths", path, method.toLowerCase(), "requestBody", "content", "application/json"];
  for (const step of steps) {
    node = isObject(node) ? resolve(document, node[step]) : undefined;
  }
  if (!isObject(node)) return undefined;
  const schema = resolve(document, node["schema"]);
  if (!isObject(schema)) return undefined;
  // An example of the whole body shows values where a schema has no ranges.
  return node["example"] === undefined || schema["examples"] !== undefined
    ? schema
    : { ...schema, examples: [node["example"]] };
}

function resolve(document: unknown, node: unknown, depth = 0): unknown {
  if (!isObject(node) || typeof node["$ref"] !== "string" || depth > 16) return node;
  let target: unknown = document;
  for (const step of node["$ref"].replace(/^#\//, "").split("/")) {
    const key = step.replaceAll("~1", "/").replaceAll("~0", "~");
    target = isObject(target) ? target[key] : undefined;
  }
  return resolve(document, target, depth + 1);
}

const pick = <T>(values: readonly T[], random: Random): T =>
  values[Math.floor(random() * values.length)]!;

/** A value of `schema`, chosen by `random`; `hint` is an example of it, which sets the scale of numbers. */
export function sample(
  document: unknown,
  node: unknown,
  random: Random,
  hint?: unknown,
  depth = 0,
): unknown {
  const schema = resolve(document, node);
  if (!isObject(schema) || depth > 24) return null;
  if ("const" in schema) return schema["const"];
  if (Array.isArray(schema["enum"]) && schema["enum"].length > 0) {
    return pick<unknown>(schema["enum"], random);
  }
  const listed: unknown = schema["examples"] ?? ("example" in schema ? [schema["example"]] : []);
  const examples: unknown[] = Array.isArray(listed) ? listed : [];
  const example = examples.length > 0 ? pick<unknown>(examples, random) : hint;
  for (const choice of ["oneOf", "anyOf"]) {
    const options = (Array.isArray(schema[choice]) ? schema[choice] : []) as unknown[];
    if (options.length > 0) {
      // Objects first: an array of them, or null, asks the same of a server only differently.
      const best = options.find(
        (option) =>
          isObject(resolve(document, option)) &&
          typeOf(resolve(document, option) as Schema) === "object",
      );
      return sample(document, best ?? options[0], random, example, depth + 1);
    }
  }
  if (Array.isArray(schema["allOf"])) {
    return Object.assign(
      {},
      ...schema["allOf"].map((part) => sample(document, part, random, example, depth + 1)),
    ) as unknown;
  }
  switch (typeOf(schema)) {
    case "object": {
      const properties = isObject(schema["properties"]) ? schema["properties"] : {};
      return Object.fromEntries(
        Object.entries(properties).map(([name, property]) => [
          name,
          sample(
            document,
            property,
            random,
            isObject(example) ? example[name] : undefined,
            depth + 1,
          ),
        ]),
      );
    }
    case "array": {
      const least = numberOf(schema["minItems"]) ?? 1;
      const most = Math.min(numberOf(schema["maxItems"]) ?? least, least + 4);
      const size = least + Math.floor(random() * (most - least + 1));
      return Array.from({ length: size }, (_, i) =>
        sample(
          document,
          schema["items"],
          random,
          Array.isArray(example) ? example[i % example.length] : undefined,
          depth + 1,
        ),
      );
    }
    case "integer":
      return integer(schema, random, example);
    case "number":
      return real(schema, random, example);
    case "boolean":
      return random() < 0.5;
    case "string":
      return typeof example === "string" ? example : `text-${Math.floor(random() * 1e6)}`;
    default:
      return example ?? null;
  }
}

function typeOf(schema: Schema): string {
  const type: unknown = Array.isArray(schema["type"]) ? schema["type"][0] : schema["type"];
  if (typeof type === "string") return type;
  return isObject(schema["properties"]) ? "object" : "any";
}

const numberOf = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isFinite(value) ? value : undefined;

/** Bounds of a number, around an example where the schema gives none. */
function rangeOf(schema: Schema, example: unknown): [number, number] {
  const center = numberOf(example) ?? numberOf(schema["default"]) ?? 1;
  const spread = Math.abs(center) * 0.2 || 1;
  const least = numberOf(schema["minimum"]) ?? numberOf(schema["exclusiveMinimum"]);
  const most = numberOf(schema["maximum"]) ?? numberOf(schema["exclusiveMaximum"]);
  const low =
    least ?? (most === undefined ? center - spread : Math.min(center - spread, most - spread));
  return [low, most ?? Math.max(center + spread, low + spread)];
}

/** Strictly inside its range, so that exclusive limits hold too; short, as people write numbers. */
function real(schema: Schema, random: Random, example: unknown): number {
  const [low, high] = rangeOf(schema, example);
  const value = low + (high - low) * (0.001 + 0.998 * random());
  const short = Number(value.toPrecision(4));
  return short > low && short < high ? short : value;
}

function integer(schema: Schema, random: Random, example: unknown): number {
  const [low, high] = rangeOf(schema, example);
  const least = Math.ceil(low) + (schema["exclusiveMinimum"] === Math.ceil(low) ? 1 : 0);
  const most = Math.floor(high) - (schema["exclusiveMaximum"] === Math.floor(high) ? 1 : 0);
  return least + Math.floor(random() * (Math.max(most, least) - least + 1));
}
