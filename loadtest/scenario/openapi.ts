// What a service's own description says of the requests that it takes.
import { isExact } from "../exact-json.ts";

export type Schema = Record<string, unknown>;

export const isObject = (value: unknown): value is Schema =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !isExact(value);

export const listOf = (value: unknown): unknown[] =>
  Array.isArray(value) ? (value as unknown[]) : [];

/** Deeper than this a schema only refers to itself, perhaps twice at each step. */
export const deepest = 12;

/** The schema of the JSON body of `method path`, or undefined when the document has none. */
export function bodySchema(document: unknown, path: string, method: string): Schema | undefined {
  let node: unknown = document;
  for (const step of ["paths", path, method.toLowerCase(), "requestBody", "content"]) {
    node = isObject(node) ? resolve(document, node[step]) : undefined;
  }
  if (!isObject(node)) return undefined;
  const type = Object.keys(node).find((name) => /^application\/json\s*(;|$)/i.test(name));
  const media = resolve(document, node[type ?? ""]);
  const schema = isObject(media) ? resolve(document, media["schema"]) : undefined;
  if (!isObject(media) || !isObject(schema)) return undefined;
  // A row's own examples come before those of the body, which may be there for the reader alone.
  const shown = bodyExamples(document, media);
  return shown.length === 0 || examplesOf(document, schema).length > 0
    ? schema
    : { ...schema, examples: shown };
}

/** Whole bodies that a media type shows; objects alone where there are any, as `sample` prefers them. */
function bodyExamples(document: unknown, media: Schema): unknown[] {
  const named = isObject(media["examples"]) ? Object.values(media["examples"]) : [];
  const values = named
    .map((one) => resolve(document, one))
    .flatMap((one) => (isObject(one) && one["value"] !== undefined ? [one["value"]] : []));
  if (media["example"] !== undefined) values.push(media["example"]);
  const objects = values.filter(isObject);
  return objects.length > 0 ? objects : values;
}

export function resolve(document: unknown, node: unknown, depth = 0): unknown {
  if (!isObject(node) || typeof node["$ref"] !== "string" || depth > 16) return node;
  let target: unknown = document;
  for (const step of node["$ref"].replace(/^#\//, "").split("/")) {
    const key = step.replaceAll("~1", "/").replaceAll("~0", "~");
    target = isObject(target) ? target[key] : undefined;
  }
  return resolve(document, target, depth + 1);
}

/** What a schema is made of: itself, and all that it is one or all of. */
export function partsOf(document: unknown, node: unknown, depth = 0): Schema[] {
  const schema = resolve(document, node);
  if (!isObject(schema) || depth > deepest) return [];
  const inner = ["oneOf", "anyOf", "allOf"].flatMap((of) => listOf(schema[of]));
  return [schema, ...inner.flatMap((part) => partsOf(document, part, depth + 1))];
}

const namedTypes = (schema: Schema): string[] =>
  [schema["type"]].flat().filter((type) => typeof type === "string");

/** A JSON type as schemas name them. */
const jsonType = (value: unknown): string =>
  value === null
    ? "null"
    : Array.isArray(value)
      ? "array"
      : isExact(value)
        ? "number"
        : typeof value;

/** The types that a value of this schema may have; none where it does not say. */
export function typesOf(document: unknown, node: unknown): Set<string> {
  return new Set(
    partsOf(document, node).flatMap((part) => [
      ...namedTypes(part),
      ...(part["nullable"] === true ? ["null"] : []),
      ...listOf(part["enum"]).map(jsonType),
      ...("const" in part ? [jsonType(part["const"])] : []),
    ]),
  );
}

/** The rows that a body is, or is an array of. */
export interface RowShape {
  readonly properties: Readonly<Record<string, unknown>>;
  readonly required: ReadonlySet<string>;
  /** Whether a body is an array of them always. */
  readonly listed: boolean;
}

/** What a row has, as a body's schema says it; undefined where it names no properties. */
export function rowShape(document: unknown, body: Schema): RowShape | undefined {
  const parts = partsOf(document, body);
  const rows = parts.filter((part) => isObject(part["properties"]));
  const listed = rows.length === 0;
  if (listed) {
    const items = parts.flatMap((part) => partsOf(document, part["items"]));
    rows.push(...items.filter((part) => isObject(part["properties"])));
  }
  if (rows.length === 0) return undefined;
  return {
    properties: Object.fromEntries(
      rows.flatMap((part) => Object.entries((part["properties"] ?? {}) as Schema)),
    ),
    required: new Set(rows.flatMap((part) => listOf(part["required"]).map(String))),
    listed,
  };
}

/** The type that a value of this schema is given; "any" where it does not say. */
export function typeOf(schema: Schema): string {
  const types = namedTypes(schema);
  const type = types.find((name) => name !== "null") ?? types[0];
  return type ?? (isObject(schema["properties"]) ? "object" : "any");
}

/** Objects first: an array of them, or null, asks the same of a server only differently. */
export function bestOf(document: unknown, schema: Schema): unknown {
  const options = [...listOf(schema["oneOf"]), ...listOf(schema["anyOf"])];
  const typed = (wanted: (type: string) => boolean): unknown =>
    options.find((option) => {
      const resolved = resolve(document, option);
      return isObject(resolved) && wanted(typeOf(resolved));
    });
  return typed((type) => type === "object") ?? typed((type) => type !== "null") ?? options[0];
}

/** What a schema, or the choice of it that is taken, shows as values of itself. */
export function examplesOf(document: unknown, node: unknown, depth = 0): unknown[] {
  const schema = resolve(document, node);
  if (!isObject(schema) || depth > deepest) return [];
  if (Array.isArray(schema["examples"]) && schema["examples"].length > 0) return schema["examples"];
  if (schema["example"] != null) return [schema["example"]];
  return examplesOf(document, bestOf(document, schema), depth + 1);
}
