import { accepts, writeScalar } from "./decode.ts";
import {
  allocate,
  copyRows,
  rowWidth,
  type Contract,
  type Field,
  type TensorData,
} from "./types.ts";

/** Rows that were checked, until a run has room for them. */
export interface Rows {
  readonly count: number;
  /** One row that came without an array around it. */
  readonly single: boolean;
  /** Sizes of one row of every input, where the contract leaves one free. */
  readonly shape: readonly (readonly number[])[] | undefined;
  /** Writes `count` of them from `from` on into a run's inputs; `widths` are elements a row. */
  write(
    from: number,
    count: number,
    into: readonly TensorData[],
    widths: readonly number[],
    at: number,
  ): void;
}

/** Rows as a run's inputs have them. */
class ReadRows implements Rows {
  readonly count: number;
  readonly single: boolean;
  /** The reader knows scalars only. */
  readonly shape = undefined;
  readonly #inputs: readonly TensorData[];

  constructor(count: number, single: boolean, inputs: readonly TensorData[]) {
    this.count = count;
    this.single = single;
    this.#inputs = inputs;
  }

  write(
    from: number,
    count: number,
    into: readonly TensorData[],
    widths: readonly number[],
    at: number,
  ): void {
    copyRows(this.#inputs, from, count, into, widths, at);
  }
}

/** A field, and its key as JSON has it. */
interface Column {
  readonly field: Field;
  readonly key: Key;
  /** Which of a row's keys it is expected to be. */
  place: number;
}

const [QUOTE, COMMA, MINUS, DOT, ZERO, COLON] = [0x22, 0x2c, 0x2d, 0x2e, 0x30, 0x3a];
const [ARRAY, ARRAY_END, OBJECT, OBJECT_END] = [0x5b, 0x5d, 0x7b, 0x7d];
const [SPACE, TAB, LINE_FEED, RETURN] = [0x20, 0x09, 0x0a, 0x0d];
const [E, PLUS, TO_LOWER] = [0x65, 0x2b, 0x20];

/** Where the reader gives up. */
const UNUSUAL = -1;

/** Up to so many digits make a whole number that a double holds, and a power of ten it divides by exactly. */
const EXACT_DIGITS = 15;
const POWERS = Array.from({ length: EXACT_DIGITS + 1 }, (_, i) => 10 ** i);

/** No byte of JSON behind the end: who reads there would be slower at every other place, too. */
const byteAt = (body: Buffer, at: number): number => (at < body.length ? (body[at] as number) : 0);

/** The first place from `at` on that is no white space. */
function skip(body: Buffer, at: number): number {
  while (byteAt(body, at) <= SPACE && isSpace(byteAt(body, at))) at++;
  return at;
}

const isSpace = (byte: number): boolean =>
  byte === SPACE || byte === LINE_FEED || byte === RETURN || byte === TAB;

/** The first place from `at` on that is no digit. */
function skipDigits(body: Buffer, at: number): number {
  while (isDigit(byteAt(body, at))) at++;
  return at;
}

const isDigit = (byte: number): boolean => byte >= ZERO && byte < COLON;

const WORD = 4;

/** A key as it is usually written, with its quotes and the colon. */
class Key {
  readonly text: string;
  readonly length: number;
  /** Its bytes, four at a time; the last four are the last word, whatever of them the one before has. */
  readonly #words: Int32Array;

  constructor(name: string) {
    this.text = `${JSON.stringify(name)}:`;
    const bytes = Buffer.from(this.text);
    this.length = bytes.length;
    this.#words = Int32Array.from({ length: Math.ceil(bytes.length / WORD) }, (_, i) =>
      bytes.readInt32LE(Math.min(i * WORD, bytes.length - WORD)),
    );
  }

  isAt(view: DataView, at: number): boolean {
    if (at + this.length > view.byteLength) return false;
    const words = this.#words;
    const last = words.length - 1;
    for (let i = 0; i < last; i++)
      if (view.getInt32(at + i * WORD, true) !== words[i]) return false;
    return view.getInt32(at + this.length - WORD, true) === words[last];
  }
}

/**
 * Reads bodies of the usual form straight into the inputs of a run: rows of which every field is there and
 * a number. What is any other is left to JSON's own parser, which finds the words for what is wrong, too;
 * what is read here has the same values as there.
 */
export class RowReader {
  readonly #contract: Contract;
  readonly #columns: ReadonlyMap<string, Column>;
  /** In the order in which the last row had them, which the next is likely to have. */
  readonly #order: Column[];
  readonly #widths: readonly number[];
  /** Bytes of the shortest row there is, with the comma behind it. */
  readonly #least: number;
  /** Whether each field is a scalar, and has a name. */
  readonly #plain: boolean;
  /** Where the number ends that was read last. */
  #end = 0;
  /** The body as text, where there were numbers that only JavaScript's own parser reads. */
  #text: string | undefined;

  constructor(contract: Contract) {
    const { fields, inputs } = contract;
    this.#contract = contract;
    this.#plain =
      fields.length > 0 && fields.every(({ name, shape }) => name !== "" && shape.length === 0);
    this.#order = (this.#plain ? fields : []).map((field, place) => {
      const key = new Key(field.name);
      return { field, key, place };
    });
    this.#columns = new Map(this.#order.map((column) => [column.key.text, column]));
    this.#widths = inputs.map(({ shape }) => rowWidth(shape) ?? 1);
    // Each key has a digit and a comma or the row's end behind it.
    this.#least = this.#order.reduce((sum, { key }) => sum + key.length + 2, 2);
  }

  /** The rows of a body, at most `most`; undefined where it is any but usual. */
  read(body: Buffer, most: number): Rows | undefined {
    if (!this.#plain) return undefined;
    const rows = this.#rows(body, most);
    this.#text = undefined;
    return rows;
  }

  #rows(body: Buffer, most: number): Rows | undefined {
    let at = skip(body, 0);
    const single = body[at] === OBJECT;
    if (!single && body[at++] !== ARRAY) return undefined;
    const room = single ? 1 : Math.min(most, Math.floor(body.length / this.#least));
    const inputs = this.#contract.inputs.map(({ type }, i) =>
      allocate(type, room * (this.#widths[i] ?? 1)),
    );
    const view = new DataView(body.buffer, body.byteOffset, body.length);
    let count = 0;
    for (let next = COMMA; next === COMMA; next = single ? ARRAY_END : byteAt(body, at++)) {
      if (count === room) return undefined;
      at = this.#row(body, view, skip(body, at), inputs, count++);
      if (at === UNUSUAL) return undefined;
      at = skip(body, at);
    }
    const complete = single || body[at - 1] === ARRAY_END;
    return complete && skip(body, at) === body.length
      ? new ReadRows(count, single, inputs)
      : undefined;
  }

  /** @returns the place behind the row */
  #row(
    body: Buffer,
    view: DataView,
    at: number,
    inputs: readonly TensorData[],
    row: number,
  ): number {
    if (body[at++] !== OBJECT) return UNUSUAL;
    const last = this.#order.length - 1;
    for (let place = 0; place <= last; place++) {
      at = skip(body, at);
      let column = this.#order[place];
      if (!column || !column.key.isAt(view, at)) column = this.#find(body, view, at, place);
      if (!column) return UNUSUAL;
      const { field, key } = column;
      const value = this.#number(body, skip(body, at + key.length), field);
      if (Number.isNaN(value) || !accepts(field, value)) return UNUSUAL;
      const width = this.#widths[field.input] ?? 1;
      writeScalar(inputs[field.input] as TensorData, row * width + field.column, value, field);
      at = skip(body, this.#end);
      if (body[at++] !== (place === last ? OBJECT_END : COMMA)) return UNUSUAL;
    }
    return at;
  }

  /** The column that a row has at `place` instead of the expected one; undefined where it was there already. */
  #find(body: Buffer, view: DataView, at: number, place: number): Column | undefined {
    const end = body[at] === QUOTE ? body.indexOf(QUOTE, at + 1) : -1;
    const column = this.#columns.get(body.toString("utf8", at, end + 2));
    const expected = this.#order[place];
    // Bytes that are no UTF-8 read as a character that a name may have.
    if (!column || !expected || column.place < place || !column.key.isAt(view, at))
      return undefined;
    this.#order[column.place] = expected;
    expected.place = column.place;
    this.#order[place] = column;
    column.place = place;
    return column;
  }

  /** The number at `at`, NaN where there is none; sets where it ends. */
  #number(body: Buffer, at: number, field: Field): number {
    const start = at;
    const negative = body[at] === MINUS;
    if (negative) at++;
    const first = at;
    let byte = byteAt(body, at);
    if (!isDigit(byte)) return NaN;
    let digits = 0;
    for (; isDigit(byte); byte = byteAt(body, ++at)) digits = digits * 10 + byte - ZERO;
    let written = at - first;
    if (written > 1 && body[first] === ZERO) return NaN;
    let decimals = 0;
    if (byte === DOT) {
      const point = ++at;
      for (byte = byteAt(body, at); isDigit(byte); byte = byteAt(body, ++at))
        digits = digits * 10 + byte - ZERO;
      decimals = at - point;
      if (decimals === 0) return NaN;
      written += decimals;
    }
    if ((byte | TO_LOWER) === E || written > EXACT_DIGITS) {
      return this.#longNumber(body, start, at, field);
    }
    this.#end = at;
    const size = decimals === 0 ? digits : digits / (POWERS[decimals] ?? 1);
    return negative ? -size : size;
  }

  /** One of which digits and powers of ten may be more than a double holds exactly; its mantissa ends at `at`. */
  #longNumber(body: Buffer, start: number, at: number, field: Field): number {
    // An integer may need all of its digits.
    if (field.kind !== "number") return NaN;
    if ((byteAt(body, at) | TO_LOWER) === E) {
      at++;
      if (body[at] === PLUS || body[at] === MINUS) at++;
      const exponent = at;
      at = skipDigits(body, at);
      if (at === exponent) return NaN;
    }
    this.#end = at;
    // Once for all of them: a text of each alone costs more than its number.
    return Number((this.#text ??= body.toString("latin1")).slice(start, at));
  }
}
