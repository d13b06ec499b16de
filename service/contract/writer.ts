const ZERO = 0x30;

/** Bytes of room that are kept from one text to the next. */
const KEPT_BYTES = 64 * 1024;
/** Most bytes of UTF-8 for each of UTF-16's units. */
const MOST_BYTES = 3;

/** Two digits as they are in memory. */
const PAIRS = Int16Array.from({ length: 100 }, (_, i) =>
  Buffer.from(String(i).padStart(2, "0")).readInt16LE(),
);

const viewOf = ({ buffer, byteOffset, length }: Buffer): DataView =>
  new DataView(buffer, byteOffset, length);

const WORD_BYTES = 4;

/** A text that is written again and again. */
export class Part {
  /** Its bytes, four at a time, and how many they are. */
  readonly words: Int32Array;
  readonly length: number;

  constructor(text: string) {
    const bytes = Buffer.from(text);
    const padded = Buffer.alloc(Math.ceil(bytes.length / WORD_BYTES) * WORD_BYTES);
    bytes.copy(padded);
    this.words = Int32Array.from({ length: padded.length / WORD_BYTES }, (_, i) =>
      padded.readInt32LE(i * WORD_BYTES),
    );
    this.length = bytes.length;
  }
}

/**
 * Puts a text of many small parts together as bytes. Strings that are added to one another are kept as a
 * tree of them all until somebody reads it, which costs more than the text itself.
 */
export class Writer {
  #bytes: Buffer = Buffer.allocUnsafeSlow(KEPT_BYTES);
  #view = viewOf(this.#bytes);
  #length = 0;

  /** Forgets what was written before, finished or not. */
  start(): void {
    if (this.#bytes.length > KEPT_BYTES) this.#use(Buffer.allocUnsafeSlow(KEPT_BYTES));
    this.#length = 0;
  }

  /** What was written since the start. */
  finish(): string {
    return this.#bytes.toString("utf8", 0, this.#length);
  }

  part({ words, length }: Part): void {
    // The last word may be longer than the part; what follows is written over it.
    this.#room(words.length * WORD_BYTES);
    const view = this.#view;
    let at = this.#length;
    for (let i = 0; i < words.length; i++, at += WORD_BYTES) view.setInt32(at, words[i] ?? 0, true);
    this.#length += length;
  }

  text(text: string): void {
    this.#length += this.#room(text.length * MOST_BYTES).write(text, this.#length);
  }

  /** One character of ASCII. */
  character(code: number): void {
    this.#room(1)[this.#length++] = code;
  }

  /** A whole number of at most eight digits, with zeros before it. */
  eightDigits(value: number): void {
    this.#room(8);
    const view = this.#view;
    const at = this.#length;
    const high = (value / 10_000) | 0;
    const low = value - high * 10_000;
    const highest = (high / 100) | 0;
    const lower = (low / 100) | 0;
    view.setInt16(at, PAIRS[highest] as number, true);
    view.setInt16(at + 2, PAIRS[high - highest * 100] as number, true);
    view.setInt16(at + 4, PAIRS[lower] as number, true);
    view.setInt16(at + 6, PAIRS[low - lower * 100] as number, true);
    this.#length = at + 8;
  }

  /** Takes zeros off the end. */
  trimZeros(): void {
    while (this.#bytes[this.#length - 1] === ZERO) this.#length--;
  }

  /** The bytes, with room for so many more. */
  #room(count: number): Buffer {
    const needed = this.#length + count;
    if (needed > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(needed * 2);
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#use(larger);
    }
    return this.#bytes;
  }

  #use(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
  }
}
