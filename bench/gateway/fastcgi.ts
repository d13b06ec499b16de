// The service over FastCGI, many requests at once on a connection, as HAProxy's mpxs-conns has it.
import type { Socket } from "node:net";
import type { App } from "../../service/app.ts";
import { Exchange, type Headers, type Operation, type Services } from "../../service/exchange.ts";
import { serveInstead } from "./alternative.ts";

const RECORD = { begin: 1, abort: 2, end: 3, params: 4, stdin: 5, stdout: 6 } as const;
const HEAD_BYTES = 8;
const MOST_CONTENT = 65_528;
const EMPTY = Buffer.alloc(0);
const MOST_REMEMBERED = 64;
/** Bytes that wait for a peer which does not read; then nothing more of it is read either. */
const MOST_WAITING = 1024 ** 2;

type Params = ReadonlyMap<string, string>;

function readParams(block: Buffer): Params {
  const params = new Map<string, string>();
  let at = 0;
  const length = (): number => {
    const short = block[at] ?? 0;
    if (short < 0x80) return (at++, short);
    at += 4;
    return block.readUInt32BE(at - 4) & 0x7fffffff;
  };
  while (at < block.length) {
    const [name, value] = [length(), length()];
    const from = at + name;
    params.set(block.toString("latin1", at, from), block.toString("latin1", from, from + value));
    at += name + value;
  }
  return params;
}

/** A record's head, its content to follow. */
function head(to: Buffer, at: number, type: number, id: number, length: number): void {
  to[at] = 1;
  to[at + 1] = type;
  to.writeUInt16BE(id, at + 2);
  to.writeUInt16BE(length, at + 4);
  to[at + 6] = to[at + 7] = 0;
}

interface Request {
  readonly id: number;
  params: Params | undefined;
  readonly names: Buffer[];
  readonly chunks: Buffer[];
  received: number;
  aborted: boolean;
  exchange: FastCgiExchange | undefined;
}

class FastCgiExchange extends Exchange {
  readonly #connection: Connection;
  readonly #request: Request;
  readonly #params: Params;

  constructor(
    services: Services,
    operation: Operation,
    connection: Connection,
    request: Request,
    params: Params,
  ) {
    super(services, operation, params.get("HTTP_X_REQUEST_ID"));
    this.#connection = connection;
    this.#request = request;
    this.#params = params;
  }

  start(): void {
    const params = this.#params;
    const refusal = this.headerProblem(
      params.get("CONTENT_TYPE"),
      params.get("HTTP_CONTENT_ENCODING"),
      params.get("CONTENT_LENGTH"),
    );
    if (refusal) this.refuse(refusal);
  }

  abandoned(): boolean {
    return this.#request.aborted || this.#connection.socket.destroyed;
  }

  header(name: string): string | undefined {
    return this.#params.get(`HTTP_${name.toUpperCase().replaceAll("-", "_")}`);
  }

  protected send(status: number, type: string, body: string, headers: Headers | undefined): void {
    let text = `Status: ${status}\r\nContent-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nX-Request-Id: ${this.requestId}\r\n`;
    for (const [name, value] of Object.entries(headers ?? {})) text += `${name}: ${value}\r\n`;
    this.#connection.respond(this.#request, `${text}\r\n${body}`);
  }
}

class Connection {
  readonly socket: Socket;
  readonly #app: App;
  readonly #services: Services;
  readonly #requests = new Map<number, Request>();
  /** Blocks that came before: a gateway sends nearly the same one thousands of times a second. */
  readonly #remembered = new Map<string, Params>();
  #rest: Buffer = EMPTY;
  #out: Buffer[] = [];

  constructor(socket: Socket, first: Buffer, app: App, services: Services) {
    this.socket = socket;
    this.#app = app;
    this.#services = services;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => {
      this.#read(chunk);
    });
    socket.on("drain", () => socket.resume());
    socket.on("end", () => socket.end());
    this.#read(first);
  }

  #read(chunk: Buffer): void {
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    let at = 0;
    while (bytes.length - at >= HEAD_BYTES) {
      const length = bytes.readUInt16BE(at + 4);
      const end = at + HEAD_BYTES + length + (bytes[at + 6] ?? 0);
      if (bytes.length < end) break;
      const content = bytes.subarray(at + HEAD_BYTES, at + HEAD_BYTES + length);
      this.#record(bytes[at + 1] ?? 0, bytes.readUInt16BE(at + 2), content);
      at = end;
    }
    this.#rest = bytes.subarray(at);
  }

  #record(type: number, id: number, content: Buffer): void {
    if (type === RECORD.begin) {
      const [params, exchange] = [undefined, undefined];
      const fresh = { id, params, names: [], chunks: [], received: 0, aborted: false, exchange };
      this.#requests.set(id, fresh);
      return;
    }
    const request = this.#requests.get(id);
    if (!request) return;
    if (type === RECORD.params) {
      if (content.length > 0) request.names.push(content);
      else this.#accept(request);
    } else if (type === RECORD.stdin) this.#body(request, content);
    else if (type === RECORD.abort) {
      request.aborted = true;
      this.#finish(request, EMPTY);
    }
  }

  #accept(request: Request): void {
    const [only] = request.names;
    const block = request.names.length === 1 && only ? only : Buffer.concat(request.names);
    const key = block.toString("latin1");
    let params = this.#remembered.get(key);
    if (!params) {
      if (this.#remembered.size >= MOST_REMEMBERED) this.#remembered.clear();
      this.#remembered.set(key, (params = readParams(block)));
    }
    request.params = params;
    if (params.get("REQUEST_METHOD") !== "POST" || params.get("REQUEST_URI") !== "/predict") return;
    const { predict } = this.#app;
    request.exchange = new FastCgiExchange(this.#services, predict, this, request, params);
    request.exchange.start();
  }

  #body(request: Request, content: Buffer): void {
    const { chunks, exchange } = request;
    request.received += content.length;
    if (content.length > 0) {
      if (request.received > this.#services.maxBody) exchange?.refuse(exchange.tooLarge());
      // A body comes whole with its end nearly always: a copy is made only of what has to wait.
      else chunks.push(content);
      return;
    }
    const [only] = chunks;
    const body = chunks.length === 1 && only ? only : Buffer.concat(chunks);
    if (exchange) exchange.handle(body);
    else void this.#answer(request, body);
  }

  async #answer(request: Request, body: Buffer): Promise<void> {
    const method = request.params?.get("REQUEST_METHOD") ?? "GET";
    const url = `http://localhost${request.params?.get("REQUEST_URI") ?? "/"}`;
    const response = await this.#app.fetch(
      new Request(url, { method, ...(body.length > 0 && method !== "GET" ? { body } : {}) }),
    );
    const reply = Buffer.from(await response.arrayBuffer());
    const fields = [...response.headers].map(([name, value]) => `${name}: ${value}\r\n`).join("");
    const text = `Status: ${response.status}\r\nContent-Length: ${reply.length}\r\n${fields}\r\n`;
    this.respond(request, Buffer.concat([Buffer.from(text, "latin1"), reply]));
  }

  /** @param reply the CGI's head and its body */
  respond(request: Request, reply: Buffer | string): void {
    const { id } = request;
    const length = typeof reply === "string" ? Buffer.byteLength(reply) : reply.length;
    if (length > MOST_CONTENT) {
      const bytes = typeof reply === "string" ? Buffer.from(reply) : reply;
      const parts: Buffer[] = [];
      for (let at = 0; at < length; at += MOST_CONTENT) {
        const part = bytes.subarray(at, at + MOST_CONTENT);
        const first = Buffer.allocUnsafe(HEAD_BYTES);
        head(first, 0, RECORD.stdout, id, part.length);
        parts.push(first, part);
      }
      this.#finish(request, Buffer.concat(parts));
      return;
    }
    const stdout = Buffer.allocUnsafe(HEAD_BYTES + length);
    head(stdout, 0, RECORD.stdout, id, length);
    if (typeof reply !== "string") stdout.set(reply, HEAD_BYTES);
    // As many bytes as characters is ASCII, and that is written without a look at each of them.
    else stdout.write(reply, HEAD_BYTES, length === reply.length ? "latin1" : "utf8");
    this.#finish(request, stdout);
  }

  #finish({ id }: Request, stdout: Buffer): void {
    if (!this.#requests.delete(id) || this.socket.writableEnded) return;
    // The end of the output, and of the request: complete, without an error.
    const ends = Buffer.alloc(3 * HEAD_BYTES);
    head(ends, 0, RECORD.stdout, id, 0);
    head(ends, HEAD_BYTES, RECORD.end, id, HEAD_BYTES);
    if (this.#out.push(stdout, ends) === 2) {
      setImmediate(() => {
        this.#flush();
      });
    }
  }

  #flush(): void {
    const out = this.#out;
    this.#out = [];
    if (this.socket.destroyed) return;
    this.socket.write(Buffer.concat(out));
    if (this.socket.writableLength > MOST_WAITING) this.socket.pause();
  }
}

serveInstead("\x01", (app, services) => (socket, first) => {
  new Connection(socket, first, app, services);
});
