// What the tests of this folder share: a server, a known client, and one that says what it likes.
import { once } from "node:events";
import { connect as connectHttp2, type ClientHttp2Session } from "node:http2";
import { connect, type AddressInfo, type Socket } from "node:net";
import type { App } from "../app.ts";
import { HttpServer, type ServerOptions } from "../server.ts";
import type { ServiceSettings } from "../settings.ts";
import { testService, type TestService } from "../testing.ts";
import { ERROR, FLAG, FRAME, frame, HEAD_BYTES, PREFACE, settings } from "./frame.ts";
import { writeField } from "./hpack.ts";

export const SETOSA = { sepal_length: 5.1, sepal_width: 3.5, petal_length: 1.4, petal_width: 0.2 };
export const BODY = JSON.stringify(SETOSA);

const closers: (() => void)[] = [];

/** Called when a test is over, with `closeAll`. */
export const onEnd = (close: () => void): void => {
  closers.push(close);
};

export function closeAll(): void {
  for (const close of closers.splice(0)) close();
}

export interface Listening extends TestService {
  readonly server: HttpServer;
  readonly port: number;
}

/** A service that listens; `fetch` in place of its routes, where it is given. */
export async function listen(
  given: Partial<Record<keyof ServiceSettings, unknown>> = {},
  options: Partial<ServerOptions> = {},
  fetch?: App["fetch"],
): Promise<Listening> {
  const service = testService("iris", given);
  const app = fetch ? { ...service.app, fetch } : service.app;
  const server = new HttpServer(app, service.services, {
    headerTimeout: 10_000,
    requestTimeout: 30_000,
    maxConnections: 1000,
    maxStreams: 64,
    ...options,
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onEnd(() => {
    server.close();
    server.closeAllConnections();
  });
  return { ...service, server, port: (server.address() as AddressInfo).port };
}

/** Node's own client, whose protocol is nghttp2's. */
export function knownClient(port: number): ClientHttp2Session {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  session.on("error", () => undefined);
  onEnd(() => {
    session.destroy();
  });
  return session;
}

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
}

/** A client that says what it likes. */
export class Raw {
  readonly socket: Socket;
  readonly #frames: Frame[] = [];
  #rest: Buffer = Buffer.alloc(0);

  /** @param greeting what it begins with */
  constructor(
    { port, hostname = "127.0.0.1" }: { port: number; hostname?: string },
    greeting: Buffer = Buffer.concat([PREFACE, settings([])]),
  ) {
    this.socket = connect(port, hostname);
    this.socket.on("data", (chunk: Buffer) => {
      this.#read(chunk);
    });
    this.socket.on("error", () => undefined);
    this.socket.write(greeting);
    onEnd(() => this.socket.destroy());
  }

  /** All that came until now. */
  frames(type?: number): Frame[] {
    return type === undefined ? this.#frames : this.#frames.filter((given) => given.type === type);
  }

  /** Streams of which the whole reply has come. */
  answered(): number[] {
    return this.#frames
      .filter(({ type, flags }) => type <= FRAME.headers && (flags & FLAG.endStream) !== 0)
      .map(({ id }) => id);
  }

  /** The error with which a stream was reset. */
  resetWith(stream: number): number | undefined {
    return this.frames(FRAME.reset)
      .find(({ id }) => id === stream)
      ?.payload.readUInt32BE(0);
  }

  /** The error it is sent away with, once it is. */
  async goneWith(): Promise<number | undefined> {
    if (!this.socket.closed) await once(this.socket, "close");
    return this.frames(FRAME.goAway).at(-1)?.payload.readUInt32BE(4);
  }

  #read(chunk: Buffer): void {
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    let at = 0;
    while (bytes.length - at >= HEAD_BYTES) {
      const end = at + HEAD_BYTES + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      this.#frames.push({
        type: bytes[at + 3] ?? 0,
        flags: bytes[at + 4] ?? 0,
        id: bytes.readUInt32BE(at + 5),
        payload: bytes.subarray(at + HEAD_BYTES, end),
      });
      at = end;
    }
    this.#rest = bytes.subarray(at);
  }
}

/** A header block of a request for a prediction; with other or more fields, or without those that are empty. */
export const block = (over: Readonly<Record<string, string>> = {}): Buffer =>
  Buffer.concat(
    Object.entries({
      ":method": "POST",
      ":scheme": "http",
      ":path": "/predict",
      "content-type": "application/json",
      ...over,
    }).map(([name, value]) => writeField(name, value)),
  );

export const open = (id: number, over?: Readonly<Record<string, string>>): Buffer =>
  frame(FRAME.headers, FLAG.endHeaders, id, block(over));

export const get = (id: number, path: string): Buffer =>
  frame(
    FRAME.headers,
    FLAG.endHeaders | FLAG.endStream,
    id,
    Buffer.concat([
      writeField(":method", "GET"),
      writeField(":scheme", "http"),
      writeField(":path", path),
    ]),
  );

export const data = (id: number, content: string | Buffer, end = true): Buffer =>
  frame(FRAME.data, end ? FLAG.endStream : 0, id, Buffer.from(content));

export const resetBy = (id: number): Buffer =>
  frame(FRAME.reset, 0, id, Buffer.from([0, 0, 0, ERROR.cancel]));
