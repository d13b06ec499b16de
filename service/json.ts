import { isUtf8 } from "node:buffer";
import { parseExact } from "./contract/decode.ts";
import { problem, type Problem } from "./problem.ts";

/** Integers of 16 digits and more may not survive as a double. */
const LONG_INTEGER = /\d{16}/;

export type Parsed = { readonly value: unknown } | { readonly problem: Problem };

/** Parses a JSON body; `exact` keeps large integers, for models that take 64-bit ones. */
export function parseJson(body: Buffer, exact: boolean): Parsed {
  if (!isUtf8(body)) return { problem: problem(400, "The body is not valid UTF-8.") };
  const text = body.toString("utf8");
  try {
    const value: unknown = exact && LONG_INTEGER.test(text) ? parseExact(text) : JSON.parse(text);
    return { value };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { problem: problem(400, `The body is not valid JSON: ${reason.slice(0, 200)}`) };
  }
}
