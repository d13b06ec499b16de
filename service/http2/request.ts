// What a request over HTTP/2 is handed to: an operation by the short way, or the routes.
import type { App } from "../app.ts";
import {
  Exchange,
  requestIdFrom,
  type Headers,
  type Operation,
  type Services,
} from "../exchange.ts";
import {
  FAILED,
  NOT_HTTP,
  OVERLOADED,
  PROBLEM_TYPE,
  problemBody,
  TOO_SLOW,
  tooLarge,
  type Problem,
} from "../problem.ts";
import { replyHead, responseHead } from "./reply.ts";
import type { Replies } from "./replies.ts";
import type { Receiver, Source, Stream } from "./stream.ts";

/** An exchange on a stream: the short way, as on Node's own request. */
export class StreamExchange extends Exchange implements Receiver {
  readonly #stream: Stream;
  readonly #replies: Replies;

  constructor(services: Services, operation: Operation, stream: Stream, replies: Replies) {
    super(services, operation, stream.headers.get("x-request-id"));
    this.#stream = stream;
    this.#replies = replies;
  }

  /** @returns itself as long as there is reason to read the body */
  start(): Receiver | undefined {
    const { headers } = this.#stream;
    const refusal = this.headerProblem(
      headers.get("content-type"),
      headers.get("content-encoding"),
      headers.get("content-length"),
    );
    if (refusal === undefined) return this;
    this.refuse(refusal);
    return undefined;
  }

  onBody(body: Buffer): void {
    this.handle(body);
  }

  onTooLarge(): void {
    this.refuse(this.tooLarge());
  }

  onTooSlow(): void {
    this.refuse(TOO_SLOW);
  }

  onNoRoom(): void {
    this.refuse(OVERLOADED);
  }

  abandoned(): boolean {
    return this.#stream.abandoned;
  }

  header(name: string): string | undefined {
    return this.#stream.headers.get(name);
  }

  protected send(status: number, type: string, body: string, headers: Headers | undefined): void {
    const head = replyHead(status, type, Buffer.byteLength(body), this.requestId, headers);
    this.#replies.send(this.#stream, head, body);
  }
}

/** Of a host that could be read as more than one, part would be taken for the path. */
const HOST = /^[\w.~%!$&'()*+,;=:[\]-]+$/;
/** HTTP's methods are in capitals; fetch would take others for them. */
const METHOD = /^[A-Z][A-Z-]*$/;
/** A reply up to this size is read as a whole, and its length told. */
const SMALL_REPLY = 16 * 1024;

/** A request for one of the routes, once its body is there. */
export class RoutedRequest implements Receiver {
  readonly #stream: Stream;
  readonly #replies: Replies;
  readonly #app: App;
  readonly #services: Services;

  constructor(services: Services, app: App, stream: Stream, replies: Replies) {
    this.#stream = stream;
    this.#replies = replies;
    this.#app = app;
    this.#services = services;
  }

  onBody(body: Buffer): void {
    this.#answer(body).catch((error: unknown) => {
      this.#services.log.error({ err: error }, "a request failed");
      this.#refuse(FAILED);
    });
  }

  onTooLarge(): void {
    this.#refuse(tooLarge(this.#services.maxBody));
  }

  onTooSlow(): void {
    this.#refuse(TOO_SLOW);
  }

  onNoRoom(): void {
    this.#refuse(OVERLOADED);
  }

  #refuse(refusal: Problem): void {
    const { status, headers } = refusal;
    const body = problemBody(refusal);
    const id = requestIdFrom(this.#stream.headers.get("x-request-id"));
    const head = replyHead(status, PROBLEM_TYPE, Buffer.byteLength(body), id, headers);
    this.#replies.send(this.#stream, head, body);
  }

  async #answer(body: Buffer): Promise<void> {
    const request = this.#request(body);
    if (request === undefined) {
      this.#refuse(NOT_HTTP);
      return;
    }
    const response = await this.#app.fetch(request);
    const source = new BodySource(response);
    const stream = this.#stream;
    if (request.method === "HEAD") {
      source.cancel();
      this.#replies.send(stream, responseHead(response, undefined), "");
      return;
    }
    const parts: Uint8Array[] = [];
    let length = 0;
    let part = await source.read();
    for (; part && length + part.length <= SMALL_REPLY; part = await source.read()) {
      parts.push(part);
      length += part.length;
    }
    if (part === undefined) {
      this.#replies.send(stream, responseHead(response, length), Buffer.concat(parts, length));
    } else {
      const first = Buffer.concat([...parts, part]);
      const head = responseHead(response, undefined);
      if (!this.#replies.sendStreamed(stream, head, first, source)) {
        source.cancel();
        this.#refuse(OVERLOADED);
      }
    }
  }

  /** undefined where it is none that fetch knows. */
  #request(body: Buffer): Request | undefined {
    const { headers } = this.#stream;
    const method = headers.get(":method") ?? "";
    const host = headers.get(":authority") ?? headers.get("host") ?? "localhost";
    const path = headers.get(":path") ?? "";
    const url = `http://${host}${path}`;
    // A host that could be read as more than one would hide the path that the gateway has looked at.
    if (!HOST.test(host) || !path.startsWith("/") || !URL.canParse(url)) return undefined;
    if (!METHOD.test(method)) return undefined;
    const abandoned = new AbortController();
    this.#stream.onAbandoned = () => {
      abandoned.abort();
    };
    try {
      return new Request(url, {
        method,
        headers: [...headers].filter(([name]) => !name.startsWith(":")),
        signal: abandoned.signal,
        ...(body.length > 0 && method !== "GET" && method !== "HEAD" ? { body } : {}),
      });
    } catch {
      // A method such as TRACE, which fetch does not make.
      return undefined;
    }
  }
}

/** The body of a response, read as it is needed. */
class BodySource implements Source {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;

  constructor({ body }: Response) {
    this.#reader = body?.getReader();
  }

  async read(): Promise<Uint8Array | undefined> {
    return (await this.#reader?.read())?.value;
  }

  cancel(): void {
    this.#reader?.cancel().catch(() => undefined);
  }
}
