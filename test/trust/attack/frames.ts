// Frames of HTTP/2, written by hand: a library would not send what is not allowed, nor so much of it.
export const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

export const FRAME = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  windowUpdate: 8,
  continuation: 9,
} as const;

export function frame(
  type: number,
  flags: number,
  stream: number,
  payload = Buffer.alloc(0),
): Buffer<ArrayBuffer> {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

const text = (value: string): Buffer<ArrayBuffer> =>
  Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]);

/** A header block that needs no table: literals without indexing. Names and values below 127 bytes. */
export const block = (fields: readonly (readonly [string, string])[]): Buffer<ArrayBuffer> =>
  Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));

export const request = (
  method: string,
  path: string,
  more: readonly (readonly [string, string])[] = [],
): Buffer<ArrayBuffer> =>
  block([
    [":method", method],
    [":scheme", "http"],
    [":path", path],
    [":authority", "localhost"],
    ...more,
  ]);

/** The preface and settings: pairs of a setting's number and its value. */
export function hello(settings: readonly (readonly [number, number])[] = []): Buffer<ArrayBuffer> {
  const payload = Buffer.alloc(6 * settings.length);
  settings.forEach(([name, value], i) => {
    payload.writeUInt16BE(name, 6 * i);
    payload.writeUInt32BE(value, 6 * i + 2);
  });
  return Buffer.concat([Buffer.from(PREFACE), frame(FRAME.settings, 0, 0, payload)]);
}
