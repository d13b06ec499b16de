import type { Schema } from "./schema.ts";

export const text: Schema = { type: "string" };
export const flag: Schema = { type: "boolean" };

export const array = (items: Schema): Schema => ({ type: "array", items });

/** @param required names of properties that are always there; all unless told */
export const object = (properties: Schema, required = Object.keys(properties)): Schema => ({
  type: "object",
  properties,
  required,
});

/** One of the document's own schemas. */
export const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });
