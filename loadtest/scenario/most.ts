// How many rows of one's own are taken: master and workers make several copies of them in their 512 MB.
import { UserError } from "../units.ts";

export const most = { rows: 100_000, bytes: 16 * 1024 * 1024 };

export const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1024 ** 2)} MB`;

/** @param what there is too much of, in words */
export const tooMany = (what: string): UserError =>
  new UserError(
    `${what}; at most ${most.rows.toLocaleString("en")} rows and ${megabytes(most.bytes)} are taken: ` +
      "take a part of it, such as the first lines by `head`.",
  );

/** Hands on bodies of requests for as long as they are not too many. @throws UserError at the first that is */
export function* limited(bodies: Iterable<string>, name: string): Generator<string> {
  let [rows, bytes] = [0, 0];
  for (const body of bodies) {
    rows += 1;
    bytes += Buffer.byteLength(body);
    if (rows > most.rows) throw tooMany(`${name} has more rows`);
    if (bytes > most.bytes) throw tooMany(`${name} makes larger requests in all`);
    yield body;
  }
}
