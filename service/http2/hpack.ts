// Header compression of HTTP/2 (RFC 7541): reading all of it, writing the little that replies need.
import { decodeHuffman } from "./huffman.ts";

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
/** What a sender may keep in the table until it has heard that it may not. */
const TABLE_BYTES = 4096;
/** The most that a block may stand for: an entry of the table takes one byte to repeat. */
const MOST_TEXT = 64 * 1024;
/** Blocks that were read before, kept as long as they are few and short. */
const MOST_REMEMBERED = 64;
const LONGEST_REMEMBERED = 512;

/** Reads the header blocks of one connection, in the order in which they came. */
export class HeaderReader {
  /** The newest first. */
  readonly #table: Field[] = [];
  #tableBytes = 0;
  #limit = TABLE_BYTES;
  #mostLimit = TABLE_BYTES;
  /**
   * What blocks said that depend on no table: a gateway sends nearly the same one thousands of times
   * a second.
   */
  readonly #remembered = new Map<string, HeaderMap>();
  #block: Buffer = Buffer.alloc(0);
  #at = 0;
  /** Whether this block used the table, or changed it. */
  #dynamic = false;

  /** The sender has heard that there is no table any more. */
  forgetTable(): void {
    this.#mostLimit = 0;
    this.#resize(0);
  }

  /** @throws CompressionError */
  read(block: Buffer): HeaderMap {
    const short = block.length <= LONGEST_REMEMBERED;
    const key = short ? block.toString("latin1") : "";
    const known = short ? this.#remembered.get(key) : undefined;
    if (known) return known;
    const headers = this.#readAll(block);
    if (short && !this.#dynamic) {
      if (this.#remembered.size >= MOST_REMEMBERED) this.#remembered.clear();
      this.#remembered.set(key, headers);
    }
    return headers;
  }

  #readAll(block: Buffer): HeaderMap {
    this.#block = block;
    this.#at = 0;
    this.#dynamic = false;
    const headers = new Map<string, string>();
    let size = 0;
    const add = (field: Field): void => {
      size += sizeOf(field);
      if (size > MOST_TEXT) throw new CompressionError("headers that are too large");
      const [name, value] = field;
      const before = headers.get(name);
      // What a request has once is not to be had twice; nobody knows the name that says so.
      if (before !== undefined && name.startsWith(":")) headers.set(":twice", name);
      headers.set(
        name,
        before === undefined ? value : `${before}${name === "cookie" ? "; " : ", "}${value}`,
      );
    };
    let fields = 0;
    while (this.#at < block.length) {
      const byte = block[this.#at] ?? 0;
      if (byte & 0x80) add(this.#entry(this.#integer(7)));
      else if ((byte & 0xe0) === 0x20) {
        if (fields > 0) throw new CompressionError("the table's size changes amid headers");
        this.#resize(this.#integer(5));
        continue;
      } else {
        const kept = (byte & 0x40) !== 0;
        const index = this.#integer(kept ? 6 : 4);
        const name = index === 0 ? this.#text() : this.#entry(index)[0];
        const field: Field = [name, this.#text()];
        if (kept) this.#keep(field);
        add(field);
      }
      fields++;
    }
    return headers;
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
    this.#dynamic = true;
    const own = this.#table[index - STATIC.length - 1];
    if (!own) throw new CompressionError(`there is no entry ${index}`);
    return own;
  }

  #keep(field: Field): void {
    // Without a table it is like any other.
    if (this.#limit === 0) return;
    this.#dynamic = true;
    this.#table.unshift(field);
    this.#tableBytes += sizeOf(field);
    this.#evict();
  }

  #resize(limit: number): void {
    if (limit > this.#mostLimit) throw new CompressionError(`a table of ${limit} bytes`);
    this.#dynamic = true;
    // What did not count while there was no table does now.
    if (limit > this.#limit) this.#remembered.clear();
    this.#limit = limit;
    this.#evict();
  }

  #evict(): void {
    while (this.#tableBytes > this.#limit) {
      const last = this.#table.pop();
      if (!last) break;
      this.#tableBytes -= sizeOf(last);
    }
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
