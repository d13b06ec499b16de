// Header blocks of replies, put together of parts that are known.
import { writeField } from "./hpack.ts";

/** Content types and statuses are few; lengths are kept as long as they are. */
const MOST_KEPT = 4096;

function kept<K>(write: (key: K) => Buffer): (key: K) => Buffer {
  const known = new Map<K, Buffer>();
  return (key) => {
    let bytes = known.get(key);
    if (bytes === undefined) {
      if (known.size >= MOST_KEPT) known.clear();
      known.set(key, (bytes = write(key)));
    }
    return bytes;
  };
}

const statusField = kept((status: number) => writeField(":status", String(status)));
const typeField = kept((type: string) => writeField("content-type", type));
const lengthField = kept((length: number) => writeField("content-length", String(length)));
const idField = writeField("x-request-id", "").subarray(0, -1);
/** Longer texts take more than one byte for their length. */
const LONGEST_ID = 126;

/**
 * The head of a reply of the API.
 * @param length of its body, in bytes
 */
export function replyHead(
  status: number,
  type: string,
  length: number,
  requestId: string,
  more: Readonly<Record<string, string>> | undefined,
): Buffer {
  const known = [statusField(status), typeField(type), lengthField(length)] as const;
  const rest = more ? Object.entries(more).map(([name, value]) => field(name, value)) : undefined;
  if (rest || requestId.length > LONGEST_ID) {
    return Buffer.concat([...known, writeField("x-request-id", requestId), ...(rest ?? [])]);
  }
  const [first, second, third] = known;
  const fixed = first.length + second.length + third.length;
  const head = Buffer.allocUnsafe(fixed + idField.length + 1 + requestId.length);
  head.set(first, 0);
  head.set(second, first.length);
  head.set(third, first.length + second.length);
  head.set(idField, fixed);
  head[fixed + idField.length] = requestId.length;
  head.write(requestId, fixed + idField.length + 1, "latin1");
  return head;
}

const field = (name: string, value: string): Buffer => writeField(name.toLowerCase(), value);

/**
 * The head of any other reply.
 * @param length of its body in bytes, where that is known; otherwise what the response itself says counts
 */
export function responseHead(response: Response, length: number | undefined): Buffer {
  const parts = [statusField(response.status)];
  for (const [name, value] of response.headers) {
    if (!OF_A_CONNECTION.has(name)) parts.push(field(name, value));
  }
  const known = length ?? response.headers.get("content-length") ?? undefined;
  if (known !== undefined && !NO_BODY.has(response.status)) parts.push(lengthField(Number(known)));
  return Buffer.concat(parts);
}

const OF_A_CONNECTION = new Set([
  "connection",
  "transfer-encoding",
  "keep-alive",
  "content-length",
]);
const NO_BODY = new Set([204, 304]);
