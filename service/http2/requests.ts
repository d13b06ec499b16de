import type { Budget } from "../budget.ts";
import type { Allowance } from "./allowance.ts";
import { ConnectionError } from "./errors.ts";
import { areTrailers, isRequest } from "./fields.ts";
import { DEFAULT_WINDOW, ERROR, FLAG, FRAME, frame, windowUpdate } from "./frame.ts";
import { HeaderReader, writeField, type Fields } from "./hpack.ts";
import { Gathering, type Holding } from "../gathering.ts";
import type { Output } from "./output.ts";
import type { Replies } from "./replies.ts";
import { Stream, type Receiver } from "./stream.ts";
import type { Streams } from "./streams.ts";

/** What to do with a request whose headers are there; undefined where it is answered already. */
export type Accept = (stream: Stream, replies: Replies) => Receiver | undefined;

/** A header block larger than this, or in more pieces, ends the connection. */
const MOST_HEADER_BYTES = 16 * 1024;
const MOST_PIECES = 64;
/** What the peer may send before it hears how much was used up, over all streams. */
export const CONNECTION_WINDOW = 2 ** 30;
/** Headers up to this size count for nothing: what a request takes beside them is more. */
const SMALL_HEADERS = 1024;
/** Text of headers is in V8's heap, and there again and again until that is cleaned. */
const HEADER_WEIGHT = 4;
const PRIORITY_BYTES = 5;
const EMPTY = Buffer.alloc(0);
const CONTINUE = writeField(":status", "100");

interface Options {
  readonly maxStreams: number;
  readonly maxBody: number;
  readonly budget: Budget;
}

/** Where the requests of a connection come from, and where frames that tell of them go to. */
interface Parts {
  readonly output: Output;
  readonly streams: Streams;
  readonly replies: Replies;
  readonly allowance: Allowance;
  /** What is not a stream's: header blocks under way, and those that are remembered. */
  readonly holding: Holding;
  readonly remembering: Holding;
}

/** Puts requests together of the frames that carry them, and hands them over. */
export class Requests {
  readonly #options: Options;
  readonly #accept: Accept;
  readonly #output: Output;
  readonly #streams: Streams;
  readonly #replies: Replies;
  readonly #allowance: Allowance;
  readonly #headers: HeaderReader;
  /** A header block whose end has not come. */
  readonly #block: Gathering;
  #blockOf: { id: number; endStream: boolean; pieces: number; since: number } | undefined;
  /** Bytes of bodies since the peer was last told how much was used up, over all streams. */
  #received = 0;
  /** Those that became whole in this turn. */
  #whole: { stream: Stream; receiver: Receiver; body: Buffer }[] = [];
  /** No more are taken. */
  refusing = false;

  constructor(options: Options, parts: Parts, accept: Accept) {
    this.#options = options;
    this.#accept = accept;
    this.#output = parts.output;
    this.#streams = parts.streams;
    this.#replies = parts.replies;
    this.#allowance = parts.allowance;
    this.#headers = new HeaderReader(parts.remembering);
    this.#block = new Gathering(parts.holding);
  }

  /** When the header block began whose end has not come. */
  get blockSince(): number | undefined {
    return this.#blockOf?.since;
  }

  /** Whose header block it is that nothing may interrupt. */
  get blockId(): number | undefined {
    return this.#blockOf?.id;
  }

  /**
   * Hands over the requests that became whole. Not before all is read that came with them: it may say that
   * nobody waits for them.
   */
  handOver(): void {
    const whole = this.#whole;
    if (whole.length === 0) return;
    this.#whole = [];
    for (const { stream, receiver, body } of whole) if (!stream.closed) receiver.onBody(body);
  }

  /** @throws ConnectionError, CompressionError */
  onHeaders(flags: number, id: number, payload: Buffer): void {
    if (id % 2 === 0) throw new ConnectionError(ERROR.protocol, `stream ${id} is no client's`);
    let block = unpad(flags, payload);
    let dependsOnItself = false;
    if (flags & FLAG.priority) {
      if (block.length < PRIORITY_BYTES) throw new ConnectionError(ERROR.frameSize, "a priority");
      dependsOnItself = dependencyOf(block) === id;
      block = block.subarray(PRIORITY_BYTES);
    }
    const endStream = (flags & FLAG.endStream) !== 0;
    if (flags & FLAG.endHeaders) this.#onBlock(id, endStream, block);
    else {
      this.#blockOf = { id, endStream, pieces: 0, since: performance.now() };
      this.#gather(block);
    }
    if (dependsOnItself) this.#reject(id);
  }

  /** @throws ConnectionError, CompressionError */
  onContinuation(flags: number, payload: Buffer): void {
    const open = this.#blockOf;
    if (!open) throw new ConnectionError(ERROR.protocol, "headers go on that never began");
    this.#gather(payload);
    if (++open.pieces > MOST_PIECES || this.#block.length > MOST_HEADER_BYTES) {
      throw new ConnectionError(ERROR.enhanceYourCalm, "headers larger than 16 kB");
    }
    if (!(flags & FLAG.endHeaders)) return;
    this.#blockOf = undefined;
    this.#onBlock(open.id, open.endStream, this.#block.take());
  }

  #gather(part: Buffer): void {
    if (!this.#block.add(part)) throw new ConnectionError(ERROR.enhanceYourCalm, "no memory left");
  }

  #onBlock(id: number, endStream: boolean, block: Buffer): void {
    // Read in any case: the tables of both sides have to stay the same.
    const fields = this.#headers.read(block);
    if (id > this.#streams.last) this.#open(id, endStream, fields);
    else this.#onTrailers(id, endStream, fields);
  }

  #open(id: number, endStream: boolean, fields: Fields): void {
    const streams = this.#streams;
    streams.use(id);
    if (this.refusing || streams.size >= this.#options.maxStreams) {
      this.#allowance.spend();
      streams.reset(id, ERROR.refusedStream);
      return;
    }
    if (!isRequest(fields)) {
      this.#reject(id);
      return;
    }
    const stream = new Stream(id, fields, this.#options.budget, this.#replies.initialWindow);
    stream.ended = endStream;
    streams.add(stream);
    const receiver = this.#accept(stream, this.#replies);
    if (stream.answered || !receiver) return;
    if (fields.bytes > SMALL_HEADERS && !stream.hold(HEADER_WEIGHT * fields.bytes)) {
      receiver.onNoRoom();
      return;
    }
    stream.receiver = receiver;
    if (endStream) this.#onEnd(stream, EMPTY);
    else if (stream.headers.get("expect") === "100-continue") {
      this.#output.write(frame(FRAME.headers, FLAG.endHeaders, id, CONTINUE));
    }
  }

  /** Headers of a stream that has had its own. */
  #onTrailers(id: number, endStream: boolean, fields: Fields): void {
    const stream = this.#streams.get(id);
    if (!stream) this.#onClosed(id);
    else if (stream.ended) this.#reject(id, ERROR.streamClosed);
    else if (!endStream || !areTrailers(fields)) this.#reject(id);
    else this.#onEnd(stream, EMPTY);
  }

  #onClosed(id: number): void {
    const how = this.#streams.howClosed(id);
    if (how === "skipped") throw new ConnectionError(ERROR.protocol, `stream ${id} after a later`);
    if (how === "ended") throw new ConnectionError(ERROR.streamClosed, `stream ${id} is over`);
    // It was on its way when we reset the stream.
    this.#allowance.spend();
  }

  /** @throws ConnectionError */
  onData(flags: number, id: number, payload: Buffer): void {
    if (this.#streams.isIdle(id)) {
      throw new ConnectionError(ERROR.protocol, `data of stream ${id}, which is not open`);
    }
    // Padding counts as well.
    this.#received += payload.length;
    if (this.#received > CONNECTION_WINDOW / 2) {
      this.#output.write(windowUpdate(0, this.#received));
      this.#received = 0;
    }
    const data = unpad(flags, payload);
    const stream = this.#streams.get(id);
    if (!stream) {
      this.#allowance.spend();
      if (this.#streams.howClosed(id) !== "reset") this.#streams.reset(id, ERROR.streamClosed);
      return;
    }
    if (stream.ended) this.#reject(id, ERROR.streamClosed);
    else if (stream.unacknowledged + payload.length > DEFAULT_WINDOW) {
      this.#reject(id, ERROR.flowControl);
    } else this.#onPart(stream, data, payload.length, (flags & FLAG.endStream) !== 0);
  }

  /** @param bytes with padding */
  #onPart(stream: Stream, data: Buffer, bytes: number, end: boolean): void {
    stream.received += data.length;
    stream.unacknowledged += bytes;
    const { receiver } = stream;
    if (receiver && stream.received > this.#options.maxBody) {
      this.#stop(stream, end).onTooLarge();
    } else if (stream.received > (stream.declared ?? Infinity)) this.#reject(stream.id);
    else if (end) this.#onEnd(stream, data);
    else if (data.length === 0) this.#allowance.spend();
    // Of a request that is answered already nothing more is asked for.
    else if (receiver) {
      if (!stream.gather(data)) this.#stop(stream, end).onNoRoom();
      else if (stream.unacknowledged > DEFAULT_WINDOW / 2) {
        this.#output.write(windowUpdate(stream.id, stream.unacknowledged));
        stream.unacknowledged = 0;
      }
    }
  }

  /** Reads no more of a body, and lets go of what is there. */
  #stop(stream: Stream, ended: boolean): Receiver {
    const receiver = stream.receiver as Receiver;
    stream.takeBody(EMPTY);
    stream.receiver = undefined;
    stream.ended = ended;
    return receiver;
  }

  /** Ends what was not sent in time. */
  onTooSlow(stream: Stream): void {
    if (stream.receiver) this.#stop(stream, false).onTooSlow();
  }

  /** The request is whole; `last` is what came now. */
  #onEnd(stream: Stream, last: Buffer): void {
    stream.ended = true;
    const { receiver, declared, received } = stream;
    stream.receiver = undefined;
    if (declared !== undefined && declared !== received) this.#reject(stream.id);
    else if (receiver) this.#whole.push({ stream, receiver, body: stream.takeBody(last) });
  }

  /** The peer broke a rule that concerns one stream only. */
  #reject(id: number, error: number = ERROR.protocol): void {
    this.#allowance.spend();
    const stream = this.#streams.get(id);
    if (stream) this.#streams.abort(stream, error);
    else this.#streams.reset(id, error);
  }

  /** @throws ConnectionError */
  onPriority(id: number, payload: Buffer): void {
    if (id === 0) throw new ConnectionError(ERROR.protocol, "a priority of no stream");
    this.#allowance.spend();
    const wrongSize = payload.length !== PRIORITY_BYTES;
    if (!wrongSize && dependencyOf(payload) !== id) return;
    const error = wrongSize ? ERROR.frameSize : ERROR.protocol;
    // One that was never opened cannot be reset.
    if (this.#streams.isIdle(id)) throw new ConnectionError(error, "a priority");
    this.#reject(id, error);
  }
}

/** What a frame carries, without its padding. */
function unpad(flags: number, payload: Buffer): Buffer {
  if (!(flags & FLAG.padded)) return payload;
  const padding = payload[0] ?? 0;
  if (padding >= payload.length) throw new ConnectionError(ERROR.protocol, "only padding");
  return payload.subarray(1, payload.length - padding);
}

/** The stream that a priority depends on. */
const dependencyOf = (priority: Buffer): number => priority.readUInt32BE(0) & 0x7fffffff;
