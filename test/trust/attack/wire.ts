// Raw connections, as somebody has them who keeps to no rules.
import { connect, type Socket } from "node:net";
import { setTimeout } from "node:timers/promises";

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface Line {
  readonly socket: Socket;
  /** What came, as far as it was read. */
  readonly received: () => string;
  /** The other side has ended it. */
  readonly ended: () => boolean;
}

/** A connection, once it stands; undefined where it is refused. One that does not read is paused. */
export function dial({ host, port }: Address, reads = true): Promise<Line | undefined> {
  return new Promise((resolve) => {
    let text = "";
    let over = false;
    const socket = connect({ host, port });
    socket.once("error", () => {
      resolve(undefined);
    });
    socket.on("error", () => {
      over = true;
    });
    socket.once("close", () => {
      over = true;
    });
    socket.once("connect", () => {
      if (reads)
        socket.on("data", (chunk) => (text = (text + chunk.toString("latin1")).slice(-65_536)));
      else socket.pause();
      resolve({ socket, received: () => text, ended: () => over });
    });
  });
}

/** So many connections at once, those that stand. */
export async function dialMany(to: Address, count: number, reads = true): Promise<Line[]> {
  const lines = await Promise.all(Array.from({ length: count }, () => dial(to, reads)));
  return lines.filter((line) => line !== undefined);
}

export const hangUp = (lines: readonly Line[]): void => {
  for (const { socket } of lines) socket.destroy();
};

/** Sends one text and gives what comes back, until it ends or the time is over. */
export async function say(to: Address, bytes: string | Buffer, ms = 3000): Promise<string> {
  const line = await dial(to);
  if (line === undefined) return "";
  line.socket.write(bytes, "latin1");
  for (const end = performance.now() + ms; performance.now() < end && !line.ended();) {
    await setTimeout(20);
    if (/^HTTP\/1\.1 [2-5]\d\d /.test(line.received()) && isWhole(line.received())) break;
  }
  line.socket.destroy();
  return line.received();
}

/** Whether an HTTP/1.1 reply is there as long as it says. */
function isWhole(reply: string): boolean {
  const at = reply.indexOf("\r\n\r\n");
  const length = /^content-length: *(\d+)/im.exec(reply)?.[1];
  return at >= 0 && (length === undefined || reply.length - at - 4 >= Number(length));
}

/** The head of a POST to /predict, and what of its body comes at once. */
export const post = (headers: Readonly<Record<string, string | number>>, body = ""): string =>
  [
    "POST /predict HTTP/1.1",
    "Host: localhost",
    "Content-Type: application/json",
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    "",
    body,
  ].join("\r\n");

export const get = (path: string, method = "GET", headers: readonly string[] = []): string =>
  [`${method} ${path} HTTP/1.1`, "Host: localhost", ...headers, "", ""].join("\r\n");
