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
  PROBLEM_TYPE,
  problemBody,
  TOO_SLOW,
  tooLarge,
  type Problem,
} from "../problem.ts";
import { replyHead, responseHead } from "./reply.ts";
import type { Receiver, Stream } from "./stream.ts";

/** An exchange on a stream: the short way, as on Node's own request. */
export class StreamExchange extends Exchange implements Receiver {
  readonly #stream: Stream;

  constructor(services: Services, operation: Operation, stream: Stream) {
    super(services, operation, stream.headers.get("x-request-id"));
    this.#stream = stream;
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

  abandoned(): boolean {
    return this.#stream.abandoned;
  }

  header(name: string): string | undefined {
    return this.#stream.headers.get(name);
  }

  protected send(status: number, type: string, body: string, headers: Headers | undefined): void {
    const head = replyHead(status, type, Buffer.byteLength(body), this.requestId, headers);
    this.#stream.respond(head, body);
  }
}

const refuse = (stream: Stream, refusal: Problem): void => {
  const body = problemBody(refusal);
  const id = requestIdFrom(stream.headers.get("x-request-id"));
  stream.respond(
    replyHead(refusal.status, PROBLEM_TYPE, Buffer.byteLength(body), id, undefined),
    body,
  );
};

const HOST = /^[\w.~%!$&'()*+,;=:[\]-]+$/;

/** A request for one of the routes, once its body is there. */
export class RoutedRequest implements Receiver {
  readonly #stream: Stream;
  readonly #app: App;
  readonly #services: Services;

  constructor(services: Services, app: App, stream: Stream) {
    this.#stream = stream;
    this.#app = app;
    this.#services = services;
  }

  onBody(body: Buffer): void {
    this.#answer(body).catch((error: unknown) => {
      this.#services.log.error({ err: error }, "a request failed");
      refuse(this.#stream, FAILED);
    });
  }

  onTooLarge(): void {
    refuse(this.#stream, tooLarge(this.#services.maxBody));
  }

  onTooSlow(): void {
    refuse(this.#stream, TOO_SLOW);
  }

  async #answer(body: Buffer): Promise<void> {
    const request = this.#request(body);
    if (request === undefined) {
      refuse(this.#stream, NOT_HTTP);
      return;
    }
    const response = await this.#app.fetch(request);
    const reply = Buffer.from(await response.arrayBuffer());
    const isHead = request.method === "HEAD";
    this.#stream.respond(
      responseHead(response, isHead ? undefined : reply.length),
      isHead ? "" : reply,
    );
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
    try {
      return new Request(url, {
        method,
        headers: [...headers].filter(([name]) => !name.startsWith(":")),
        ...(body.length > 0 && method !== "GET" && method !== "HEAD" ? { body } : {}),
      });
    } catch {
      // A method such as TRACE, which fetch does not make.
      return undefined;
    }
  }
}
