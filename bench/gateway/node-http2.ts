// The service over Node's own HTTP/2, tuned: no dates, no copies of headers, no second look at them.
import { createServer, type ServerHttp2Stream } from "node:http2";
import { Exchange, type Headers, type Operation, type Services } from "../../service/exchange.ts";
import { serveInstead } from "./alternative.ts";

type Given = Readonly<Record<string, string | undefined>>;

class NodeHttp2Exchange extends Exchange {
  readonly #stream: ServerHttp2Stream;
  readonly #headers: Given;

  constructor(services: Services, operation: Operation, stream: ServerHttp2Stream, headers: Given) {
    super(services, operation, headers["x-request-id"]);
    this.#stream = stream;
    this.#headers = headers;
  }

  start(): void {
    const headers = this.#headers;
    const refusal = this.headerProblem(
      headers["content-type"],
      headers["content-encoding"],
      headers["content-length"],
    );
    if (refusal) {
      this.refuse(refusal);
      return;
    }
    const chunks: Buffer[] = [];
    let length = 0;
    this.#stream
      .on("data", (chunk: Buffer) => {
        length += chunk.length;
        if (length > this.services.maxBody) this.refuse(this.tooLarge());
        else chunks.push(chunk);
      })
      .on("end", () => {
        const [only] = chunks;
        this.handle(chunks.length === 1 && only ? only : Buffer.concat(chunks));
      });
  }

  abandoned(): boolean {
    return this.#stream.destroyed;
  }

  header(name: string): string | undefined {
    return this.#headers[name];
  }

  protected send(status: number, type: string, body: string, headers: Headers | undefined): void {
    const stream = this.#stream;
    if (stream.destroyed || stream.headersSent) return;
    const length = Buffer.byteLength(body);
    const fields = [":status", status, "content-type", type, "content-length", length];
    fields.push("x-request-id", this.requestId, ...(headers ? Object.entries(headers).flat() : []));
    // A list of fields is sent as it stands.
    stream.respond(fields as never, { sendDate: false } as never);
    stream.end(body, length === body.length ? "latin1" : "utf8");
  }
}

serveInstead("PRI", (app, services) => {
  const server = createServer({
    settings: { maxConcurrentStreams: 256, enablePush: false },
    maxSessionMemory: 64,
    strictFieldWhitespaceValidation: false,
    strictSingleValueFields: false,
  });
  server.on("stream", (stream: ServerHttp2Stream, headers) => {
    stream.on("error", () => undefined);
    if (headers[":method"] === "POST" && headers[":path"] === "/predict") {
      new NodeHttp2Exchange(services, app.predict, stream, headers as Given).start();
      return;
    }
    void answer(stream, headers[":path"] ?? "/");
  });
  async function answer(stream: ServerHttp2Stream, path: string): Promise<void> {
    const response = await app.fetch(new Request(`http://localhost${path}`));
    const body = Buffer.from(await response.arrayBuffer());
    if (stream.destroyed) return;
    stream.respond({ ":status": response.status, "content-length": body.length });
    stream.end(body);
  }
  return (socket, first) => {
    // Flowing, it would hand it to nobody.
    socket.pause().unshift(first);
    server.emit("connection", socket);
  };
});
