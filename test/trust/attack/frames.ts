// What a client of HTTP/2 sends, put together by hand: a library would not send what is not allowed.
import { PREFACE, settings } from "../../../service/http2/frame.ts";
import { writeField } from "../../../service/http2/hpack.ts";

export { FRAME, frame } from "../../../service/http2/frame.ts";

type Field = readonly [name: string, value: string];

/** A request's header block. */
export const request = (method: string, path: string, more: readonly Field[] = []): Buffer =>
  Buffer.concat(
    [
      [":method", method],
      [":scheme", "http"],
      [":path", path],
      [":authority", "localhost"],
      ...more,
    ].map(([name = "", value = ""]) => writeField(name, value)),
  );

/** The preface and settings: pairs of a setting's number and its value. */
export const hello = (values: readonly (readonly [number, number])[] = []): Buffer =>
  Buffer.concat([PREFACE, settings(values)]);
