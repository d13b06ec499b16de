/** One field of a protobuf message: varints and fixed-size numbers as numbers, the rest as bytes. */
export interface ProtoField {
  readonly number: number;
  readonly wire: number;
  readonly value: bigint;
  readonly bytes: Buffer;
  /** The field as it stands in the message, tag included. */
  readonly raw: Buffer;
}

const EMPTY = Buffer.alloc(0);

function varint(buffer: Buffer, at: number): [value: bigint, next: number] {
  let value = 0n;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = buffer[at++];
    if (byte === undefined) throw new RangeError("a number is cut short");
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return [value, at];
  }
  throw new RangeError("a number is too long");
}

/** The fields of a message in order. Throws RangeError where it is cut short or malformed. */
export function* fields(message: Buffer): Generator<ProtoField> {
  let at = 0;
  while (at < message.length) {
    const start = at;
    const [tag, afterTag] = varint(message, at);
    const number = Number(tag >> 3n);
    const wire = Number(tag & 7n);
    let value = 0n;
    let bytes: Buffer = EMPTY;
    at = afterTag;
    if (wire === 0) [value, at] = varint(message, at);
    else {
      let length = wire === 1 ? 8 : 4;
      if (wire === 2) {
        const [declared, next] = varint(message, at);
        length = Number(declared);
        at = next;
      } else if (wire !== 1 && wire !== 5) throw new RangeError(`wire type ${wire} is unknown`);
      if (at + length > message.length) throw new RangeError("a field is cut short");
      bytes = message.subarray(at, at + length);
      at += length;
    }
    yield { number, wire, value, bytes, raw: message.subarray(start, at) };
  }
}

/** Values of a repeated integer, packed or not. */
export function integers(field: ProtoField): bigint[] {
  if (field.wire === 0) return [BigInt.asIntN(64, field.value)];
  const values: bigint[] = [];
  for (let at = 0; at < field.bytes.length;) {
    const [value, next] = varint(field.bytes, at);
    values.push(BigInt.asIntN(64, value));
    at = next;
  }
  return values;
}

function encodeVarint(value: number): Buffer {
  const bytes: number[] = [];
  for (; value >= 0x80; value = Math.floor(value / 128)) bytes.push((value % 128) | 0x80);
  return Buffer.from([...bytes, value]);
}

/** A length-delimited field: bytes, a string or a message. */
export function encodeField(number: number, content: Buffer | string): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([encodeVarint(number * 8 + 2), encodeVarint(bytes.length), bytes]);
}

export function encodeInteger(number: number, value: number): Buffer {
  return Buffer.concat([encodeVarint(number * 8), encodeVarint(value)]);
}
