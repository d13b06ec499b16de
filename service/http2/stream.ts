import type { Budget } from "../budget.ts";
import type { Fields, HeaderMap } from "./hpack.ts";
import { DEFAULT_WINDOW } from "./frame.ts";
import { Gathering, Holding } from "../gathering.ts";

/** Takes a request's body. Each of these answers, and none comes after another. */
export interface Receiver {
  /** The whole of it. */
  onBody(body: Buffer): void;
  /** More came than may be read. */
  onTooLarge(): void;
  /** It did not come in time. */
  onTooSlow(): void;
  /** There is no memory for it now. */
  onNoRoom(): void;
}

/** A reply's body that is read as the peer takes it. */
export interface Source {
  /** The next part; undefined at the end. */
  read(): Promise<Uint8Array | undefined>;
  /** Nobody wants the rest of it. */
  cancel(): void;
}

/** State of one request and its reply among those of a connection; what it holds of the budget, too. */
export class Stream extends Holding {
  readonly id: number;
  readonly headers: HeaderMap;
  readonly openedAt = performance.now();
  /** Length of the body in bytes, where the headers tell it. */
  readonly declared: number | undefined;

  /** Whose the body is; nobody's where the reply did not wait for it. */
  receiver: Receiver | undefined;
  /** What came of the body, where it came in more than one piece. */
  body: Gathering | undefined;
  received = 0;
  /** Bytes that came since the peer was last told to send more. */
  unacknowledged = 0;

  /** Bytes that the peer takes of the reply. */
  window: number;
  /** What it has not taken of the reply, what follows that, and since when it waits. */
  rest: Buffer | undefined;
  restBytes = 0;
  source: Source | undefined;
  reading = false;
  blockedAt = 0;

  /** The request's end was there. */
  ended = false;
  /** A reply was given; it may be on its way. */
  answered = false;
  /** It is none of the connection's any more: the reply is out, or nobody waits for it. */
  closed = false;
  /** Nobody waits for the reply any more. */
  abandoned = false;
  /** Told once when that happens. */
  onAbandoned: (() => void) | undefined;

  constructor(id: number, fields: Fields, budget: Budget, window = DEFAULT_WINDOW) {
    super(budget);
    this.id = id;
    this.headers = fields.map;
    const length = fields.map.get("content-length");
    this.declared = length === undefined ? undefined : Number(length);
    this.window = window;
  }

  /** Adds to the body. @returns whether there was room for it */
  gather(part: Buffer): boolean {
    return (this.body ??= new Gathering(this)).add(part);
  }

  /** The body with its last piece; it is held no longer. */
  takeBody(last: Buffer): Buffer {
    const { body } = this;
    if (body === undefined) return last;
    this.body = undefined;
    if (last.length === 0) return body.take();
    const whole = Buffer.concat([body.bytes, last]);
    body.discard();
    return whole;
  }
}
