import type { IncomingMessage, ServerResponse } from "node:http";
import type { Arriving } from "./arriving.ts";
import { Body } from "./body.ts";
import type { Budget } from "./budget.ts";
import { letGo } from "./gathering.ts";
import type { AccessLog, Logger } from "./log.ts";
import type { Metrics } from "./metrics.ts";
import type { WatchStatus } from "./model/watch.ts";
import type { ModelSlot } from "./model/slot.ts";
import { FAILED, OVERLOADED, problem, TOO_SLOW, tooLarge, type Problem } from "./problem.ts";
import type { Unsent } from "./unsent.ts";
import { REQUEST_BYTES } from "./unsent.ts";
import { MOST_DEPTH, weigh } from "./weight.ts";

/** What every route may use. */
export interface Services {
  readonly slot: ModelSlot;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly access: AccessLog;
  /** Largest body in bytes, and most rows in one request. */
  readonly maxBody: number;
  readonly maxRows: number;
  /** The account of what callers make this process hold. */
  readonly budget: Budget;
  /** What clients over HTTP/1.1 have not taken yet of their replies. */
  readonly unsent: Unsent;
  /** Those of their bodies that are on their way. */
  readonly arriving: Arriving;
  /** What the registry's watcher says, where the model comes from one. */
  readonly registry?: (() => WatchStatus) | undefined;
  /** Draining: no longer ready, still answering. Closing: every reply is the last of its connection. */
  readonly state: { draining: boolean; closing: boolean };
}

export type Headers = Readonly<Record<string, string>>;

/** Something done with a request's body, reached over Node's own request or over fetch's. */
export interface Operation {
  /** Its path as metrics and logs name it. */
  readonly route: string;
  /** How it writes an error. */
  readonly errorType: string;
  errorBody(error: Problem): string;
  /** Answers with `exchange.reply` or `exchange.refuse`, now or later. */
  handle(body: Buffer, exchange: Exchange): void;
}

const ID_PREFIX = Math.random().toString(36).slice(2, 10);
let idCount = 0;

const GOOD_ID = /^[\w.:/+=-]{1,128}$/;

/** The caller's request id where it is a sane one, otherwise a new one. */
export const requestIdFrom = (given: string | undefined): string =>
  given !== undefined && GOOD_ID.test(given) ? given : `${ID_PREFIX}-${(idCount++).toString(36)}`;

/** One request and its reply, whatever carries them. */
export abstract class Exchange {
  readonly arrivedAt = performance.now();
  readonly requestId: string;
  readonly operation: Operation;
  protected readonly services: Services;
  #ended = false;
  /** What it counts for while it waits for its result; see budget.ts. */
  #weight: number | undefined;

  constructor(services: Services, operation: Operation, requestId: string | undefined) {
    this.services = services;
    this.operation = operation;
    this.requestId = requestIdFrom(requestId);
  }

  /** Nobody waits for the reply any more. */
  abstract abandoned(): boolean;
  protected abstract send(
    status: number,
    type: string,
    body: string,
    headers: Headers | undefined,
  ): void;
  /** A header of the request, by its name in lower case. */
  abstract header(name: string): string | undefined;

  /** Sends the reply; only the first counts. */
  reply(status: number, type: string, body: string, headers?: Headers): void {
    if (!this.#end()) return;
    this.send(status, type, body, headers);
    const { metrics, access } = this.services;
    const ms = performance.now() - this.arrivedAt;
    metrics.request(this.operation.route, status, ms);
    if (access.wants(status)) {
      const { requestId } = this;
      const traceparent = this.header("traceparent");
      access.write({
        method: "POST",
        route: this.operation.route,
        status,
        ms,
        requestId,
        traceparent,
      });
    }
  }

  /** Ends without a reply, as nobody waits for it. */
  drop(): void {
    this.#end();
  }

  /** @returns whether it had not ended yet */
  #end(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    if (this.#weight !== undefined) this.services.budget.dismiss(this.#weight);
    return true;
  }

  refuse(error: Problem): void {
    const { operation } = this;
    this.reply(error.status, operation.errorType, operation.errorBody(error), error.headers);
  }

  /** Checks the headers: what is wrong with them, before any of the body is read. */
  headerProblem(
    type: string | undefined,
    encoding: string | undefined,
    length: string | undefined,
  ): Problem | undefined {
    if (type !== undefined && type !== "application/json" && !JSON_TYPE.test(type)) {
      return problem(
        415,
        `The body is sent as "${type.slice(0, 100)}"; it must be application/json.`,
      );
    }
    if (encoding !== undefined && encoding !== "identity") {
      return problem(
        415,
        `The body is encoded as "${encoding.slice(0, 100)}"; it must not be encoded.`,
      );
    }
    return Number(length) > this.services.maxBody ? this.tooLarge() : undefined;
  }

  tooLarge(): Problem {
    return tooLarge(this.services.maxBody);
  }

  /** Hands the body to the operation, where there is room for what it becomes; nobody reads it afterwards. */
  handle(body: Buffer): void {
    const { bytes, depth } = weigh(body);
    if (depth > MOST_DEPTH) {
      this.refuse(problem(400, `The body is nested deeper than ${MOST_DEPTH} levels.`));
      return;
    }
    const { budget } = this.services;
    const weight = bytes + REQUEST_BYTES;
    if (weight > budget.mostOfOne) {
      this.refuse(TOO_HEAVY);
      return;
    }
    if (!budget.admit(weight)) {
      this.refuse(OVERLOADED);
      return;
    }
    this.#weight = weight;
    try {
      this.operation.handle(body, this);
    } catch (error) {
      this.services.log.error({ err: error, requestId: this.requestId }, "a request failed");
      this.refuse(FAILED);
    }
  }
}

const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json *(?:;|$)/i;

const TOO_HEAVY = problem(
  413,
  "The values in the body would take more memory than there is for one request; send fewer in each.",
);

/** So much of a refused body is read and thrown away, so that the sender gets to see the refusal. */
const DISCARD_BYTES = 16 * 1024 * 1024;

/** An exchange on Node's own request: the short way for the operations that are called most. */
export class NodeExchange extends Exchange {
  readonly #incoming: IncomingMessage;
  readonly #outgoing: ServerResponse;

  constructor(
    services: Services,
    operation: Operation,
    incoming: IncomingMessage,
    outgoing: ServerResponse,
  ) {
    super(services, operation, incoming.headers["x-request-id"] as string | undefined);
    this.#incoming = incoming;
    this.#outgoing = outgoing;
  }

  /** Reads the body and hands it on. */
  start(): void {
    const incoming = this.#incoming;
    const { headers } = incoming;
    const length = headers["content-length"];
    const refusal = this.headerProblem(
      headers["content-type"],
      headers["content-encoding"],
      length,
    );
    if (refusal) {
      this.#refuseUnread(refusal);
      return;
    }
    // One that comes in one part is not copied.
    let only: Buffer | undefined;
    let body: Body | undefined;
    incoming.on("data", (chunk: Buffer) => {
      if (chunk.length === Number(length)) {
        only = chunk;
        return;
      }
      if (body === undefined) {
        body = new Body(this.services.budget);
        this.#expect(body);
      }
      const wrong = this.#grow(body, chunk);
      letGo(chunk);
      if (wrong) this.#giveUp(body, wrong);
    });
    incoming.on("end", () => {
      if (body) this.services.arriving.delete(body);
      this.handle(only ?? body?.whole() ?? EMPTY);
      if (only) letGo(only);
      body?.release();
    });
  }

  /** The rest of a body is to come, at a pace; its sender may leave in the middle of it. */
  #expect(body: Body): void {
    const { arriving } = this.services;
    const { "content-length": length } = this.#incoming.headers;
    arriving.add(body, length === undefined ? undefined : Number(length), () => {
      this.#giveUp(body, TOO_SLOW);
    });
    this.#incoming.once("close", () => {
      arriving.delete(body);
      body.release();
    });
  }

  #giveUp(body: Body, wrong: Problem): void {
    this.services.arriving.delete(body);
    body.release();
    this.#incoming.removeAllListeners("data").removeAllListeners("end");
    this.#refuseUnread(wrong);
    // What is still to come is not worth to be read.
    if (wrong === CRUMBS || wrong === TOO_SLOW) this.#incoming.socket.destroySoon();
  }

  /** What is wrong with the body when this has come, too. */
  #grow(body: Body, part: Buffer): Problem | undefined {
    if (body.length + part.length > this.services.maxBody) return this.tooLarge();
    if (!body.add(part)) return OVERLOADED;
    return body.crumbles ? CRUMBS : undefined;
  }

  /** Answers before the body is there, and reads no more of it than it takes to be heard. */
  #refuseUnread(refusal: Problem): void {
    this.refuse(refusal);
    let discarded = 0;
    this.#incoming.on("data", (chunk: Buffer) => {
      discarded += chunk.length;
      letGo(chunk);
      if (discarded > DISCARD_BYTES) this.#incoming.destroy();
    });
  }

  abandoned(): boolean {
    return this.#outgoing.destroyed;
  }

  header(name: string): string | undefined {
    return this.#incoming.headers[name] as string | undefined;
  }

  protected send(status: number, type: string, body: string, headers: Headers | undefined): void {
    const outgoing = this.#outgoing;
    const length = Buffer.byteLength(body);
    const lines = [
      "Content-Type",
      type,
      "Content-Length",
      String(length),
      "X-Request-Id",
      this.requestId,
    ];
    if (headers) lines.push(...Object.entries(headers).flat());
    if (this.services.state.closing) lines.push("Connection", "close");
    outgoing.writeHead(status, lines);
    // As many bytes as characters is ASCII, and that is written without a look at each of them.
    const encoding = length === body.length ? "latin1" : "utf8";
    if (length > LARGE_REPLY) this.services.unsent.send(outgoing, Buffer.from(body, encoding));
    else {
      outgoing.end(body, encoding);
      if (outgoing.writableLength > 0) this.services.unsent.watch(outgoing);
    }
  }
}

const EMPTY = Buffer.alloc(0);
const CRUMBS = problem(400, "The body comes in chunks of a few bytes; send larger ones.");
/** Bytes of a reply above which it is written as its client takes it. */
const LARGE_REPLY = 64 * 1024;

/** An exchange on fetch's request, as Hono's routes have it. */
export class FetchExchange extends Exchange {
  readonly response: Promise<Response>;
  readonly #request: Request;
  #resolve!: (response: Response) => void;

  constructor(services: Services, operation: Operation, request: Request) {
    super(services, operation, request.headers.get("x-request-id") ?? undefined);
    this.#request = request;
    this.response = new Promise((resolve) => (this.#resolve = resolve));
  }

  /** Reads the body, hands it on and gives the response. */
  async start(): Promise<Response> {
    const { headers, body: parts } = this.#request;
    const refusal = this.headerProblem(
      headers.get("content-type") ?? undefined,
      headers.get("content-encoding") ?? undefined,
      headers.get("content-length") ?? undefined,
    );
    if (refusal) {
      this.refuse(refusal);
      return this.response;
    }
    const body = new Body(this.services.budget);
    try {
      for await (const part of (parts ?? []) as AsyncIterable<Uint8Array>) {
        const fits = body.length + part.length <= this.services.maxBody;
        if (fits && body.add(part)) continue;
        this.refuse(fits ? OVERLOADED : this.tooLarge());
        return await this.response;
      }
      this.handle(body.whole());
    } finally {
      body.release();
    }
    return this.response;
  }

  abandoned(): boolean {
    return this.#request.signal.aborted;
  }

  header(name: string): string | undefined {
    return this.#request.headers.get(name) ?? undefined;
  }

  protected send(status: number, type: string, body: string, headers: Headers | undefined): void {
    this.#resolve(
      new Response(body, {
        status,
        headers: { ...headers, "content-type": type, "x-request-id": this.requestId },
      }),
    );
  }
}
