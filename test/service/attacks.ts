// Requests that try to make a process of the service larger than it may be: each is many at once.
import { connect, type Socket } from "node:net";

const MB = 1024 * 1024;
const ROW = '{"sepal_length":5.1,"sepal_width":3.5,"petal_length":1.4,"petal_width":0.2}';

/** A body of 1 MiB of each kind. */
export const LARGE_BODIES = {
  "nested arrays that never close": "[".repeat(MB),
  "nested arrays": "[".repeat(MB / 2) + "]".repeat(MB / 2),
  "nested objects": `${'{"a":'.repeat(160_000)}1${"}".repeat(160_000)}`,
  "many empty arrays": `[${"[],".repeat(MB / 3 - 1)}[]]`,
  "many empty objects": `[${"{},".repeat(MB / 3 - 1)}{}]`,
  "many numbers": `[${"1,".repeat(MB / 2 - 2)}1]`,
  "valid rows": `[${Array.from({ length: 10_000 }, () => ROW).join(",")}]`,
  "a row padded with blanks": ROW + " ".repeat(MB - ROW.length),
} as const;

const headOf = (target: string, more: string): string =>
  `${target} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n${more}\r\n`;

/** Sends what it is given as quickly as it is taken, and gives the status that comes; 0 for none. */
function ask(port: number, host: string, parts: readonly (string | Buffer)[]): Promise<number> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    let said = "";
    socket.on("data", (chunk: Buffer) => {
      if (said.length < 64) said += chunk.toString("latin1");
    });
    socket.on("error", () => undefined);
    socket.once("close", () => {
      resolve(Number(/^HTTP\/1\.1 (\d+)/.exec(said)?.[1] ?? 0));
    });
    for (const part of parts) socket.write(part);
  });
}

/** The statuses of so many requests with one body, sent at once, each on a connection of its own. */
export function atOnce(
  { hostname, port }: URL,
  count: number,
  body: string,
  target = "POST /predict",
): Promise<number[]> {
  const head = headOf(target, `Content-Length: ${body.length}\r\nConnection: close\r\n`);
  const bytes = Buffer.from(head + body);
  return Promise.all(Array.from({ length: count }, () => ask(Number(port), hostname, [bytes])));
}

/** The same in chunks of one byte. */
export function inChunksOfOneByte(
  { hostname, port }: URL,
  count: number,
  body: string,
  target = "POST /predict",
): Promise<number[]> {
  const head = headOf(target, "Transfer-Encoding: chunked\r\nConnection: close\r\n");
  const chunks = Buffer.from(body.replace(/[^]/g, "1\r\n$&\r\n"));
  const parts = [Buffer.from(head), chunks, Buffer.from("0\r\n\r\n")];
  return Promise.all(Array.from({ length: count }, () => ask(Number(port), hostname, parts)));
}

/** Connections that ask, several times, and never read; they are closed by the other side, or by `close`. */
export class SilentReaders {
  readonly #sockets: Socket[];

  constructor({ hostname, port }: URL, count: number, request: string, times = 1) {
    this.#sockets = Array.from({ length: count }, () => {
      const socket = connect(Number(port), hostname);
      socket.on("error", () => undefined);
      socket.pause();
      socket.write(request.repeat(times));
      return socket;
    });
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
  }
}
