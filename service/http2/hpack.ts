// Header compression of HTTP/2 (RFC 7541): reading all of it, writing the little that replies need.
import { decodeHuffman } from "./huffman.ts";
import type { Holding } from "../gathering.ts";

/** Names are in lower case; of a name that comes twice the values are joined, as HTTP has it. */
export type HeaderMap = ReadonlyMap<string, string>;

/** The sender's table and ours are no longer the same: the connection cannot go on. */
export class CompressionError extends Error {}

type Field = readonly [name: string, value: string];

const STATIC: readonly Field[] = [
  [":authority", ""],
  [":method", "GET"],
  [":method", "POST"],
  [":path", "/"],
  [":path", "/index.html"],
  [":scheme", "http"],
  [":scheme", "https"],
  [":status", "200"],
  [":status", "204"],
  [":status", "206"],
  [":status", "304"],
  [":status", "400"],
  [":status", "404"],
  [":status", "500"],
  ["accept-charset", ""],
  ["accept-encoding", "gzip, deflate"],
  ...(
    "accept-language accept-ranges accept access-control-allow-origin age allow authorization " +
    "cache-control content-disposition content-encoding content-language content-length " +
    "content-location content-range content-type cookie date etag expect expires from host if-match " +
    "if-modified-since if-none-match if-range if-unmodified-since last-modified link location " +
    "max-forwards proxy-authenticate proxy-authorization range referer refresh retry-after server " +
    "set-cookie strict-transport-security transfer-encoding user-agent vary via www-authenticate"
  )
    .split(" ")
    .map((name): Field => [name, ""]),
];

/** Bytes that an entry of the table counts for beside its text. */
const ENTRY_BYTES = 32;
/** Size of the table where nobody asks for another. */
const TABLE_BYTES = 4096;
/**
 * The most that a block may stand for, where an entry of the table takes one byte to repeat: 16 kB of text,
 * as over HTTP/1.1, and what its entries count for beside it.
 */
const MOST_TEXT = 24 * 1024;
/** Blocks that were read before, kept as long as they are few and short. */
const MOST_REMEMBERED = 64;
const LONGEST_REMEMBERED = 512;
/** What one of them takes beside its text. */
const REMEMBERED_BYTES = 1024;

/** What a header block says. */
export class Fields {
  readonly map = new Map<string, string>();
  /** Size of all of it, counted as entries of the table are. */
  bytes = 0;
  /** A pseudo-header came twice: which of its values counts would be anybody's guess. */
  repeats = false;
  /** Whether it is a request's, where somebody has looked already; see fields.ts. */
  isRequest: boolean | undefined;

  add(field: Field): void {
    this.bytes += sizeOf(field);
    if (this.bytes > MOST_TEXT) throw new CompressionError("headers that are too large");
    const [name, value] = field;
    const before = this.map.get(name);
    if (before === undefined) this.map.set(name, value);
    else if (name.startsWith(":")) this.repeats = true;
    else this.map.set(name, `${before}${name === "cookie" ? "; " : ", "}${value}`);
  }
}

/** The entries that one block adds to the table, the oldest first. */
interface Addition {
  readonly fields: Field[];
  bytes: number;
}

/**
 * The table that the sender fills. What a block adds is put there as one piece, and which entries are
 * within the table's size is found out when one is asked for: a gateway adds some with each block, and
 * never asks for them.
 */
class Table {
  /** The newest last. */
  readonly #additions: Addition[] = [];
  #bytes = 0;
  #limit = TABLE_BYTES;

  add(addition: Addition): void {
    this.#additions.push(addition);
    this.#bytes += addition.bytes;
    this.#trim();
  }

  /** Adds to the newest addition. */
  extend(addition: Addition, field: Field): void {
    const bytes = sizeOf(field);
    addition.fields.push(field);
    addition.bytes += bytes;
    this.#bytes += bytes;
    this.#trim();
  }

  /** Drops the oldest where those after it fill the table: nobody can ask for them. */
  #trim(): void {
    const additions = this.#additions;
    while (additions.length > 1) {
      const oldest = additions[0]?.bytes ?? 0;
      if (this.#bytes - oldest < this.#limit) break;
      additions.shift();
      this.#bytes -= oldest;
    }
  }

  /** @param index 0 for the newest */
  at(index: number): Field | undefined {
    let left = index;
    let bytes = 0;
    for (let i = this.#additions.length - 1; i >= 0; i--) {
      const { fields } = this.#additions[i] as Addition;
      for (let j = fields.length - 1; j >= 0; j--) {
        const field = fields[j] as Field;
        bytes += sizeOf(field);
        if (bytes > this.#limit) return undefined;
        if (left-- === 0) return field;
      }
    }
    return undefined;
  }

  resize(limit: number): void {
    this.#limit = Math.min(limit, this.#limit);
    const fields: Field[] = [];
    let bytes = 0;
    for (let field = this.at(0); field; field = this.at(fields.length)) {
      fields.push(field);
      bytes += sizeOf(field);
    }
    this.#limit = limit;
    this.#additions.length = 0;
    this.#bytes = 0;
    this.add({ fields: fields.reverse(), bytes });
  }
}

/** A block that was read before: what it says, and what it adds to the table. */
interface Remembered {
  readonly fields: Fields;
  readonly addition: Addition | undefined;
}

/** Reads the header blocks of one connection, in the order in which they came. */
export class HeaderReader {
  readonly #table = new Table();
  /** Blocks that ask for nothing in the table: a gateway sends nearly the same one thousands of times a second. */
  readonly #remembered = new Map<string, Remembered>();
  /** What remembering takes of the memory for all connections. */
  readonly #holding: Holding;
  #block: Buffer = Buffer.alloc(0);
  #at = 0;
  #addition: Addition | undefined;
  /** Whether this block asked for an entry of the table, or changed its size. */
  #dependent = false;

  constructor(holding: Holding) {
    this.#holding = holding;
  }

  /** @throws CompressionError */
  read(block: Buffer): Fields {
    const short = block.length <= LONGEST_REMEMBERED;
    const key = short ? block.toString("latin1") : "";
    const known = short ? this.#remembered.get(key) : undefined;
    if (known) {
      if (known.addition) this.#table.add(known.addition);
      return known.fields;
    }
    const fields = this.#readAll(block);
    if (short && !this.#dependent) this.#remember(key, { fields, addition: this.#addition });
    return fields;
  }

  #remember(key: string, block: Remembered): void {
    if (this.#remembered.size >= MOST_REMEMBERED) {
      this.#remembered.clear();
      this.#holding.release();
    }
    const bytes = key.length + block.fields.bytes + REMEMBERED_BYTES;
    if (this.#holding.hold(bytes)) this.#remembered.set(key, block);
  }

  #readAll(block: Buffer): Fields {
    this.#block = block;
    this.#at = 0;
    this.#addition = undefined;
    this.#dependent = false;
    const fields = new Fields();
    let count = 0;
    while (this.#at < block.length) {
      const byte = block[this.#at] ?? 0;
      if (byte & 0x80) fields.add(this.#entry(this.#integer(7)));
      else if ((byte & 0xe0) === 0x20) {
        if (count > 0) throw new CompressionError("the table's size changes amid headers");
        this.#resize(this.#integer(5));
        continue;
      } else {
        const kept = (byte & 0x40) !== 0;
        const index = this.#integer(kept ? 6 : 4);
        const name = index === 0 ? this.#text() : this.#entry(index)[0];
        const field: Field = [name, this.#text()];
        if (kept) this.#keep(field);
        fields.add(field);
      }
      count++;
    }
    return fields;
  }

  #integer(prefix: number): number {
    const most = 2 ** prefix - 1;
    let value = (this.#block[this.#at++] ?? 0) & most;
    if (value < most) return value;
    for (let shift = 0; shift <= 21; shift += 7) {
      const byte = this.#block[this.#at++];
      if (byte === undefined) break;
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new CompressionError("a number has no end, or is too large");
  }

  #text(): string {
    const huffman = ((this.#block[this.#at] ?? 0) & 0x80) !== 0;
    const length = this.#integer(7);
    const end = this.#at + length;
    if (end > this.#block.length) throw new CompressionError("a text goes on after the block");
    const bytes = this.#block.subarray(this.#at, end);
    this.#at = end;
    const text = huffman ? decodeHuffman(bytes) : bytes.toString("latin1");
    if (text === undefined) throw new CompressionError("a text has no meaning");
    return text;
  }

  #entry(index: number): Field {
    const fixed = STATIC[index - 1];
    if (fixed) return fixed;
    this.#dependent = true;
    const own = this.#table.at(index - STATIC.length - 1);
    if (!own) throw new CompressionError(`there is no entry ${index}`);
    return own;
  }

  #keep(field: Field): void {
    if (!this.#addition) {
      this.#addition = { fields: [], bytes: 0 };
      this.#table.add(this.#addition);
    }
    this.#table.extend(this.#addition, field);
  }

  #resize(limit: number): void {
    if (limit > TABLE_BYTES) throw new CompressionError(`a table of ${limit} bytes`);
    this.#dependent = true;
    this.#table.resize(limit);
  }
}

const sizeOf = ([name, value]: Field): number => name.length + value.length + ENTRY_BYTES;

const STATUS = new Map(
  STATIC.flatMap(([name, value], i) => (name === ":status" ? [[value, i + 1] as const] : [])),
);
const NAMES = new Map(STATIC.map(([name], i) => [name, i + 1] as const).reverse());

function integer(out: number[], mark: number, prefix: number, value: number): void {
  const most = 2 ** prefix - 1;
  if (value < most) {
    out.push(mark | value);
    return;
  }
  out.push(mark | most);
  let rest = value - most;
  for (; rest >= 0x80; rest >>>= 7) out.push((rest & 0x7f) | 0x80);
  out.push(rest);
}

function text(out: number[], value: string): void {
  integer(out, 0, 7, value.length);
  for (let i = 0; i < value.length; i++) out.push(value.charCodeAt(i) & 0xff);
}

/** A field as bytes, such that the reader keeps nothing of it. Text is Latin-1, as HTTP's is. */
export function writeField(name: string, value: string): Buffer {
  const out: number[] = [];
  const status = name === ":status" ? STATUS.get(value) : undefined;
  if (status !== undefined) integer(out, 0x80, 7, status);
  else {
    const index = NAMES.get(name) ?? 0;
    integer(out, 0, 4, index);
    if (index === 0) text(out, name);
    text(out, value);
  }
  return Buffer.from(out);
}
