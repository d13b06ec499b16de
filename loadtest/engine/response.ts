// An incremental parser of one HTTP/1.1 reply. It reads from a buffer that is overwritten after
// each call, allocates nothing on the usual path, and follows the body to its last byte: a reply
// is done only when its declared length, its last chunk or the end of its connection was seen.

const cr = 13;
const lf = 10;
const colon = 58;
const maxHeadBytes = 64 * 1024;

/** Whether the bytes at `at` are `name` (lower case), in any case. */
function isName(buffer: Buffer, at: number, name: string): boolean {
  for (let i = 0; i < name.length; i += 1) {
    if ((buffer[at + i]! | 0x20) !== (name.charCodeAt(i) | 0x20)) return false;
  }
  return true;
}

/** The decimal digits in `at..end`, blanks around them allowed; -1 when there is anything else. */
function readNumber(buffer: Buffer, at: number, end: number): number {
  while (buffer[at] === 32 || buffer[at] === 9) at += 1;
  while (end > at && (buffer[end - 1] === 32 || buffer[end - 1] === 9)) end -= 1;
  if (at === end) return -1;
  let value = 0;
  for (; at < end; at += 1) {
    const digit = buffer[at]! - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value <= Number.MAX_SAFE_INTEGER ? value : -1;
}

const state = {
  head: 0,
  length: 1,
  chunkSize: 2,
  chunkData: 3,
  chunkEnd: 4,
  trailer: 5,
  close: 6,
  done: 7,
} as const;
type State = (typeof state)[keyof typeof state];

export type Parsed = "more" | "done" | "malformed";

/** Of a refusal's body: enough for what a server says, too little to matter. */
const refusalBytes = 16 * 1024;

export class ResponseParser {
  /** Status code of the reply whose head was read; 0 before. */
  status = 0;
  /** Bytes of the body so far, without the framing of chunks. */
  bodyBytes = 0;
  /** Whether the connection may carry another request. */
  keepAlive = true;
  /** What was wrong, after `malformed`. */
  problem = "";
  /** Whether anything of a reply was seen. */
  started = false;

  #state: State = state.head;
  #remaining = 0;
  #lineBytes = 0;
  #sawDigit = false;
  #head: Buffer | undefined;
  #ofHead = false;
  /** How many more bytes of the body are kept. */
  #room = 0;
  #body: Buffer[] | undefined;
  readonly #wants: (status: number) => boolean;

  /** @param wants whether the beginning of a body is kept that comes with such a status, from 400 on */
  constructor(wants: (status: number) => boolean = () => false) {
    this.#wants = wants;
  }

  /** Makes ready for the next reply; `ofHead` when the request was HEAD; `capture` to keep the body. */
  reset(ofHead: boolean, capture: boolean): void {
    this.status = 0;
    this.bodyBytes = 0;
    this.keepAlive = true;
    this.started = false;
    this.#state = state.head;
    this.#head = undefined;
    this.#ofHead = ofHead;
    this.#room = capture ? Infinity : 0;
    this.#body = undefined;
  }

  /** The kept body, or what was kept of it; empty unless asked for. */
  body(): Buffer {
    const parts = this.#body;
    if (parts === undefined) return Buffer.alloc(0);
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }

  /** Reads `buffer[0..length)`. Bytes beyond the reply's end are malformed: nothing was asked for them. */
  feed(buffer: Buffer, length: number): Parsed {
    let at = 0;
    this.started = true;
    if (this.#state === state.head) {
      if (this.#head !== undefined) {
        buffer = Buffer.concat([this.#head, buffer.subarray(0, length)]);
        length = buffer.length;
        this.#head = undefined;
      }
      for (;;) {
        at = this.#readHead(buffer, at, length);
        if (at < 0) return this.problem === "" ? "more" : "malformed";
        if (this.status >= 200) break;
        // An interim reply (100, 103): the real one follows.
        if (at === length) return "more";
      }
    }
    return this.#readBody(buffer, at, length);
  }

  /** The connection ended: true when that is how this reply ends. */
  end(): boolean {
    return this.#state === state.close;
  }

  #malformed(problem: string): -1 {
    this.problem = problem;
    return -1;
  }

  /** Reads one head from `at`; the offset after it, or -1 when it is not whole (kept) or malformed. */
  #readHead(buffer: Buffer, at: number, length: number): number {
    this.problem = "";
    const start = at;
    if (length - at < 16) return this.#keepHead(buffer, start, length);
    // "HTTP/1.x NNN"
    if (
      buffer[at] !== 72 ||
      buffer[at + 1] !== 84 ||
      buffer[at + 2] !== 84 ||
      buffer[at + 3] !== 80 ||
      buffer[at + 4] !== 47 ||
      buffer[at + 5] !== 49 ||
      buffer[at + 6] !== 46 ||
      buffer[at + 8] !== 32
    ) {
      return this.#malformed("not an HTTP/1.1 reply");
    }
    const status =
      (buffer[at + 9]! - 48) * 100 + (buffer[at + 10]! - 48) * 10 + (buffer[at + 11]! - 48);
    if (!(status >= 100 && status <= 999)) return this.#malformed("bad status line");
    let keepAlive = buffer[at + 7] === 49;
    let contentLength = -1;
    let chunked = false;
    at += 12;
    while (at < length && buffer[at] !== lf) at += 1;
    at += 1;
    for (;;) {
      // One header line from `at` to its line feed.
      const line = at;
      while (at < length && buffer[at] !== lf) at += 1;
      if (at >= length) return this.#keepHead(buffer, start, length);
      const end = buffer[at - 1] === cr ? at - 1 : at;
      at += 1;
      if (end === line) break;
      // Told apart by first letter and length of the name; only these three matter.
      const letter = buffer[line]! | 0x20;
      if (letter === 99 && buffer[line + 14] === colon && isName(buffer, line, "content-length")) {
        const value = readNumber(buffer, line + 15, end);
        if (value < 0) return this.#malformed("bad Content-Length");
        if (contentLength >= 0 && contentLength !== value) {
          return this.#malformed("two Content-Lengths");
        }
        contentLength = value;
      } else if (
        letter === 99 &&
        buffer[line + 10] === colon &&
        isName(buffer, line, "connection")
      ) {
        const value = buffer[line + 12]! | 0x20;
        if (value === 107) keepAlive = true;
        else if (/\bclose\b/i.test(buffer.toString("latin1", line + 11, end))) keepAlive = false;
      } else if (
        letter === 116 &&
        buffer[line + 17] === colon &&
        isName(buffer, line, "transfer-encoding")
      ) {
        if (/\bchunked\s*$/i.test(buffer.toString("latin1", line + 18, end))) chunked = true;
      }
    }
    this.status = status;
    if (status < 200) return at;
    if (status >= 400 && this.#room === 0 && this.#wants(status)) this.#room = refusalBytes;
    this.keepAlive = keepAlive;
    if (this.#ofHead || status === 204 || status === 304) this.#state = state.done;
    else if (chunked) {
      this.#state = state.chunkSize;
      this.#remaining = 0;
      this.#sawDigit = false;
      this.#lineBytes = 0;
    } else if (contentLength >= 0) {
      this.#remaining = contentLength;
      this.#state = contentLength === 0 ? state.done : state.length;
    } else {
      this.#state = state.close;
      this.keepAlive = false;
    }
    return at;
  }

  #keepHead(buffer: Buffer, start: number, length: number): -1 {
    if (length - start > maxHeadBytes) return this.#malformed(`head over ${maxHeadBytes} bytes`);
    this.#head = Buffer.from(buffer.subarray(start, length));
    return -1;
  }

  #readBody(buffer: Buffer, at: number, length: number): Parsed {
    while (at < length) {
      switch (this.#state) {
        case state.length:
        case state.chunkData: {
          const taken = Math.min(this.#remaining, length - at);
          this.#take(buffer, at, taken);
          at += taken;
          this.#remaining -= taken;
          if (this.#remaining === 0) {
            this.#state = this.#state === state.length ? state.done : state.chunkEnd;
          }
          break;
        }
        case state.close:
          this.#take(buffer, at, length - at);
          at = length;
          break;
        case state.chunkSize:
          if (!this.#readChunkSize(buffer[at]!)) return this.#fail("bad chunk size");
          at += 1;
          break;
        case state.chunkEnd:
          if (buffer[at] === lf) {
            this.#state = state.chunkSize;
            this.#remaining = 0;
            this.#sawDigit = false;
            this.#lineBytes = 0;
          } else if (buffer[at] !== cr) return this.#fail("chunk longer than declared");
          at += 1;
          break;
        case state.trailer:
          if (buffer[at] === lf) {
            if (this.#lineBytes === 0) this.#state = state.done;
            this.#lineBytes = 0;
          } else if (buffer[at] !== cr) this.#lineBytes += 1;
          at += 1;
          break;
        default:
          return this.#fail("bytes after the end of the reply");
      }
    }
    return this.#state === state.done ? "done" : "more";
  }

  #fail(problem: string): "malformed" {
    this.problem = problem;
    return "malformed";
  }

  /** One byte of "1a;extension\r\n"; false when it cannot belong there. */
  #readChunkSize(byte: number): boolean {
    if (byte === lf) {
      if (!this.#sawDigit) return false;
      this.#lineBytes = 0;
      this.#state = this.#remaining === 0 ? state.trailer : state.chunkData;
      return true;
    }
    // After ";" or a blank, until the line ends, nothing matters.
    if (this.#lineBytes > 0) return ++this.#lineBytes < 4096;
    const letter = byte | 0x20;
    const digit =
      byte >= 48 && byte <= 57 ? byte - 48 : letter >= 97 && letter <= 102 ? letter - 87 : -1;
    if (digit >= 0) {
      this.#sawDigit = true;
      this.#remaining = this.#remaining * 16 + digit;
      return this.#remaining <= Number.MAX_SAFE_INTEGER;
    }
    if (byte === cr) return true;
    this.#lineBytes = 1;
    return byte === 59 || byte === 32 || byte === 9;
  }

  #take(buffer: Buffer, at: number, size: number): void {
    this.bodyBytes += size;
    if (this.#room === 0) return;
    const kept = Math.min(size, this.#room);
    (this.#body ??= []).push(Buffer.from(buffer.subarray(at, at + kept)));
    this.#room -= kept;
  }
}
