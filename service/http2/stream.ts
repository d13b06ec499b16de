import type { HeaderMap } from "./hpack.ts";

/** Takes a request's body. */
export interface Receiver {
  /** The whole of it. */
  onBody(body: Buffer): void;
  /** More came than may be read: it answers, and nothing more comes. */
  onTooLarge(): void;
  /** It did not come in time: the same. */
  onTooSlow(): void;
}

/** What a stream needs of its connection. */
export interface Carrier {
  /** Sends a whole reply, at once or as the peer has room for it. */
  respond(stream: Stream, head: Buffer, body: Buffer | string): void;
  readonly destroyed: boolean;
}

/** One request and its reply among those of a connection. */
export class Stream {
  readonly id: number;
  readonly headers: HeaderMap;
  readonly openedAt = performance.now();
  readonly #carrier: Carrier;
  /** Whose the body is; nobody's where the reply did not wait for it. */
  receiver: Receiver | undefined;
  chunks: Buffer[] | undefined;
  received = 0;
  /** Bytes that the peer takes for this stream. */
  window: number;
  /** The request's end was there; the reply's is out; the peer has given it up. */
  ended = false;
  answered = false;
  aborted = false;
  /** What the peer has no room for yet, and since when it had none. */
  rest: Buffer | undefined;
  blockedAt = 0;

  constructor(id: number, headers: HeaderMap, window: number, carrier: Carrier) {
    this.id = id;
    this.headers = headers;
    this.window = window;
    this.#carrier = carrier;
  }

  /** Nobody waits for the reply any more. */
  get abandoned(): boolean {
    return this.aborted || this.#carrier.destroyed;
  }

  /** @param head the reply's header block */
  respond(head: Buffer, body: Buffer | string): void {
    this.#carrier.respond(this, head, body);
  }
}
