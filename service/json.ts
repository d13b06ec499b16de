import { isUtf8 } from "node:buffer";
import { readNumber } from "./contract/decimal.ts";
import { problem, type Problem } from "./problem.ts";

export type Parsed = { readonly value: unknown } | { readonly problem: Problem };

/** Parses a JSON body; `exact` keeps what a double does not, for models that take integers. */
export function parseJson(body: Buffer, exact: boolean): Parsed {
  const text = body.toString("utf8");
  // What is not UTF-8 comes as U+FFFD, which nearly no text has: most need no second look.
  if (text.includes("\ufffd") && !isUtf8(body))
    return { problem: problem(400, "The body is not valid UTF-8.") };
  try {
    return { value: exact ? parseExact(text) : (JSON.parse(text) as unknown) };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { problem: problem(400, `The body is not valid JSON: ${reason.slice(0, 200)}`) };
  }
}

/**
 * `JSON.parse`, but a number that an integer would lose digits of is a Decimal. Throws SyntaxError.
 * (`JSON.parse` can tell a reviver what was written, at thirty times the cost for a large body.)
 */
export function parseExact(text: string): unknown {
  const value: unknown = JSON.parse(text);
  if (!LONG_NUMBER.test(text)) return value;
  const reader = new Reader(text);
  const exact = reader.value(0);
  return reader.tooDeep ? value : exact;
}

/** So many characters, or an exponent, may write a number that its double is not. */
const LONG = 16;
const LONG_NUMBER = /\d(?:[eE]|[\d.]{15})/;

const isDigitOrDot = (code: number): boolean => (code >= 0x30 && code <= 0x39) || code === DOT;
const isExponent = (code: number): boolean => code === 0x65 || code === 0x45;

/** Deeper than any tensor; what is nested so deep is refused whatever its numbers are. */
const MOST_DEPTH = 100;

const [QUOTE, COMMA, MINUS, DOT, COLON, BACKSLASH] = [0x22, 0x2c, 0x2d, 0x2e, 0x3a, 0x5c];
const [ARRAY, ARRAY_END, OBJECT, OBJECT_END] = [0x5b, 0x5d, 0x7b, 0x7d];
const [T, F, N] = [0x74, 0x66, 0x6e];

/** Reads a text that is known to be valid JSON, so it has not to be checked again. */
class Reader {
  tooDeep = false;
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(depth: number): unknown {
    if (depth > MOST_DEPTH) this.tooDeep = true;
    if (this.tooDeep) return undefined;
    switch (this.#next()) {
      case OBJECT:
        return this.#object(depth + 1);
      case ARRAY:
        return this.#array(depth + 1);
      case QUOTE:
        return this.#string();
      case T:
        this.#at += 4;
        return true;
      case F:
        this.#at += 5;
        return false;
      case N:
        this.#at += 4;
        return null;
      default:
        return this.#number();
    }
  }

  /** The character that what comes next begins with. */
  #next(): number {
    const text = this.#text;
    let code = text.charCodeAt(this.#at);
    while (code <= 0x20 || code === COMMA || code === COLON) code = text.charCodeAt(++this.#at);
    return code;
  }

  #object(depth: number): unknown {
    this.#at++;
    const object: Record<string, unknown> = {};
    while (!this.tooDeep && this.#next() !== OBJECT_END) {
      const key = this.#string();
      const value = this.value(depth);
      if (key === "__proto__")
        // An assignment would change the prototype.
        Object.defineProperty(object, key, {
          value,
          enumerable: true,
          writable: true,
          configurable: true,
        });
      else object[key] = value;
    }
    this.#at++;
    return object;
  }

  #array(depth: number): unknown {
    this.#at++;
    const array: unknown[] = [];
    while (!this.tooDeep && this.#next() !== ARRAY_END) array.push(this.value(depth));
    this.#at++;
    return array;
  }

  #string(): string {
    const text = this.#text;
    const start = this.#at;
    let end = text.indexOf('"', start + 1);
    while (this.#escaped(end)) end = text.indexOf('"', end + 1);
    this.#at = end + 1;
    const inside = text.slice(start + 1, end);
    return inside.includes("\\") ? (JSON.parse(text.slice(start, end + 1)) as string) : inside;
  }

  /** Whether the character at a place has an odd number of backslashes before it. */
  #escaped(at: number): boolean {
    let first = at;
    while (this.#text.charCodeAt(first - 1) === BACKSLASH) first--;
    return (at - first) % 2 === 1;
  }

  #number(): unknown {
    const text = this.#text;
    const start = this.#at;
    let long = false;
    for (;;) {
      const code = text.charCodeAt(++this.#at);
      if (isDigitOrDot(code)) continue;
      if (isExponent(code)) long = true;
      else if (code !== MINUS && code !== 0x2b) break;
    }
    const written = text.slice(start, this.#at);
    return long || written.length >= LONG ? readNumber(written) : Number(written);
  }
}
