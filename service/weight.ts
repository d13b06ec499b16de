import { isAscii } from "node:buffer";

/** What a JSON text becomes when it is parsed, told from its bytes alone. */
export interface Weight {
  /** Bytes of memory that the text and its values take, at most. */
  readonly bytes: number;
  /** Arrays and objects within one another; not counted further than one more than `MOST_DEPTH`. */
  readonly depth: number;
}

/** Deeper than any tensor: JSON that goes on below is written to do harm. */
export const MOST_DEPTH = 64;

/**
 * Bytes of memory, measured on Node 24 at the peak of parsing: of an array or object, of a value in it, and
 * of its name. A name that many objects have costs less, one that no other has a little more.
 */
const CONTAINER = 64;
const VALUE = 16;
const NAME = 56;

/**
 * A text that is not longer is not looked at, which would take as long as to parse it. For each byte, as
 * much as rows that a model takes become; what it would refuse does not wait.
 */
const SMALL = 16 * 1024;
const PER_SMALL_BYTE = 16;

const QUOTE = 1;
const COMMA = 2;
const COLON = 3;
const OPEN = 4;
const CLOSE = 5;
const MEANING = new Uint8Array(256);
for (const [meaning, characters] of [
  [QUOTE, '"'],
  [COMMA, ","],
  [COLON, ":"],
  [OPEN, "[{"],
  [CLOSE, "]}"],
] as const) {
  for (const character of characters) MEANING[character.charCodeAt(0)] = meaning;
}
const QUOTATION_MARK = 0x22;
const BACKSLASH = 0x5c;

/**
 * Weighs a text before it is parsed: a megabyte of brackets becomes thirty of values, and one of blanks
 * becomes nothing. Whether it is valid is the parser's to say; up to where it is not, this counts alike.
 */
export function weigh(json: Uint8Array): Weight {
  const { length } = json;
  if (length <= SMALL) return { bytes: length * PER_SMALL_BYTE, depth: 0 };
  let depth = 0;
  let deepest = 0;
  let containers = 0;
  let values = 1;
  let names = 0;
  for (let at = 0; at < length && deepest <= MOST_DEPTH; at++) {
    const meaning = MEANING[json[at] as number] as number;
    if (meaning === 0) continue;
    if (meaning === QUOTE) {
      for (at++; at < length; at++) {
        const byte = json[at];
        if (byte === QUOTATION_MARK) break;
        if (byte === BACKSLASH) at++;
      }
    } else if (meaning === COMMA) values++;
    else if (meaning === COLON) names++;
    else if (meaning === OPEN) {
      containers++;
      if (++depth > deepest) deepest = depth;
    } else depth--;
  }
  // One character outside ASCII may have the text take two bytes for each.
  const text = isAscii(json) ? length : 2 * length;
  return {
    bytes: text + containers * CONTAINER + values * VALUE + names * NAME,
    depth: deepest,
  };
}
