// Which header fields make a request (RFC 9113, 8.2 and 8.3): what is forbidden would mean something else
// to whoever reads it next.
import type { Fields, HeaderMap } from "./hpack.ts";

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const FIELD_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
/** What ends a field, or is not told from it, in HTTP/1.1. */
const BAD_VALUE = /[\0\r\n]|^[ \t]|[ \t]$/;
const BAD_TARGET = /[\0-\x20\x7f]/;
const DIGITS = /^\d{1,15}$/;
const PSEUDO = new Set([":method", ":scheme", ":path", ":authority"]);
const OF_A_CONNECTION = new Set([
  "connection",
  "transfer-encoding",
  "upgrade",
  "keep-alive",
  "proxy-connection",
]);

/** Whether fields are a request's. Blocks that come again and again are looked at once. */
export function isRequest(fields: Fields): boolean {
  return (fields.isRequest ??= !fields.repeats && isTarget(fields.map) && areOrdered(fields.map));
}

/** Whether fields may follow a body. */
export function areTrailers({ map }: Fields): boolean {
  return [...map].every(([name, value]) => isRegular(name, value));
}

function isTarget(map: HeaderMap): boolean {
  const path = map.get(":path");
  const authority = map.get(":authority");
  const method = map.get(":method") ?? "";
  if (!TOKEN.test(method)) return false;
  if (authority !== undefined && BAD_TARGET.test(authority)) return false;
  if (method === "CONNECT")
    return authority !== undefined && path === undefined && !map.has(":scheme");
  if (path === undefined || BAD_TARGET.test(path)) return false;
  return (path.startsWith("/") || path === "*") && TOKEN.test(map.get(":scheme") ?? "");
}

function areOrdered(map: HeaderMap): boolean {
  let regular = false;
  for (const [name, value] of map) {
    if (name.startsWith(":")) {
      if (regular || !PSEUDO.has(name)) return false;
    } else {
      if (!isRegular(name, value)) return false;
      regular = true;
    }
  }
  return true;
}

function isRegular(name: string, value: string): boolean {
  if (!FIELD_NAME.test(name) || OF_A_CONNECTION.has(name) || BAD_VALUE.test(value)) return false;
  if (name === "te") return value === "trailers";
  return name !== "content-length" || DIGITS.test(value);
}
