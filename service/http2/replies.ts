import type { Allowance } from "./allowance.ts";
import { ConnectionError } from "./errors.ts";
import {
  DEFAULT_WINDOW,
  ERROR,
  FLAG,
  FRAME,
  frame,
  HEAD_BYTES,
  MAX_FRAME_BYTES,
  MAX_WINDOW,
  writeHead,
} from "./frame.ts";
import type { Output } from "./output.ts";
import type { Source, Stream } from "./stream.ts";
import type { Streams } from "./streams.ts";

/** The largest frame that is sent, whatever the peer takes. */
const MOST_OF_A_FRAME = 65_536;
/** A peer that opens its windows by fewer bytes at a time makes a frame of each few. */
const TINY = 128;
/** What a peer has to take for each frame that it opens a window with. */
const BYTES_A_FRAME = 1024;
/** What a source reads ahead of the peer: a piece of a file. */
const READ_AHEAD = 64 * 1024;
const EMPTY = Buffer.alloc(0);

/** Sends replies: at once, or as the peer has room for them. */
export class Replies {
  readonly #output: Output;
  readonly #streams: Streams;
  readonly #allowance: Allowance;
  /** What the peer takes: on the connection, on each new stream, in one frame. */
  #window = DEFAULT_WINDOW;
  #initialWindow = DEFAULT_WINDOW;
  #maxFrame = MAX_FRAME_BYTES;

  constructor(output: Output, streams: Streams, allowance: Allowance) {
    this.#output = output;
    this.#streams = streams;
    this.#allowance = allowance;
  }

  get initialWindow(): number {
    return this.#initialWindow;
  }

  /**
   * Sends a whole reply. One for whose rest there is no memory is cut off.
   * @param head its header block
   */
  send(stream: Stream, head: Buffer, body: Buffer | string): void {
    if (!this.#begin(stream)) return;
    const length = typeof body === "string" ? Buffer.byteLength(body) : body.length;
    const room = Math.min(this.#window, stream.window, this.#maxFrame);
    if (length > 0 && (length > room || this.#output.full)) {
      const rest = typeof body === "string" ? Buffer.from(body) : body;
      if (this.#block(stream, rest)) this.#sendHead(stream, head);
      this.pump();
      return;
    }
    const start = HEAD_BYTES + head.length;
    const reply = Buffer.allocUnsafe(start + (length > 0 ? HEAD_BYTES + length : 0));
    const headFlags = FLAG.endHeaders | (length === 0 ? FLAG.endStream : 0);
    writeHead(reply, 0, head.length, FRAME.headers, headFlags, stream.id);
    reply.set(head, HEAD_BYTES);
    if (length > 0) {
      writeHead(reply, start, length, FRAME.data, FLAG.endStream, stream.id);
      if (typeof body !== "string") reply.set(body, start + HEAD_BYTES);
      // As many bytes as characters is ASCII, and that is written without a look at each of them.
      else if (length === body.length) reply.write(body, start + HEAD_BYTES, "latin1");
      else reply.write(body, start + HEAD_BYTES);
      this.#window -= length;
      stream.window -= length;
    }
    this.#output.write(reply);
    this.#streams.finish(stream);
  }

  /**
   * Sends a reply whose body is read as the peer takes it.
   * @param first what was read of it
   * @returns whether there was memory for it; where there was none, nothing was sent
   */
  sendStreamed(stream: Stream, head: Buffer, first: Buffer, source: Source): boolean {
    if (!stream.closed && !stream.answered && !stream.hold(READ_AHEAD)) return false;
    if (!this.#begin(stream)) {
      source.cancel();
      return true;
    }
    stream.source = source;
    if (this.#block(stream, first)) this.#sendHead(stream, head);
    this.pump();
    return true;
  }

  /** The peer takes more: on a stream, or on the whole connection. @throws ConnectionError */
  grow(stream: Stream | undefined, bytes: number): void {
    if (stream) stream.window += bytes;
    else this.#window += bytes;
    if (this.#window > MAX_WINDOW) {
      throw new ConnectionError(ERROR.flowControl, "the connection's window");
    }
    if (stream && stream.window > MAX_WINDOW) this.#streams.abort(stream, ERROR.flowControl);
    this.pump();
  }

  /** What the peer takes at first of each reply; those that are open change with it. @throws ConnectionError */
  setInitialWindow(bytes: number): void {
    const change = bytes - this.#initialWindow;
    if (change === 0) return;
    this.#initialWindow = bytes;
    for (const stream of this.#streams.all()) {
      stream.window += change;
      if (stream.window > MAX_WINDOW) {
        throw new ConnectionError(ERROR.flowControl, "a stream's window");
      }
    }
    this.pump();
  }

  setMaxFrame(bytes: number): void {
    this.#maxFrame = Math.min(bytes, MOST_OF_A_FRAME);
  }

  /** Sends of the replies that wait what there is room for: a frame of each, in turn. */
  pump(): void {
    const { blocked } = this.#streams;
    for (let sent = blocked.size > 0; sent;) {
      sent = false;
      for (const stream of blocked) {
        if (this.#window <= 0 || this.#output.full) return;
        sent = this.#sendPart(stream) || sent;
      }
    }
  }

  /** Whether a reply may be given. */
  #begin(stream: Stream): boolean {
    if (stream.answered) return false;
    stream.answered = true;
    return !stream.closed && !this.#output.ended;
  }

  #sendHead(stream: Stream, head: Buffer): void {
    this.#output.write(frame(FRAME.headers, FLAG.endHeaders, stream.id, head));
  }

  /** Keeps what is to be sent. @returns whether there was memory for it; the stream is reset otherwise */
  #block(stream: Stream, rest: Buffer): boolean {
    if (!stream.hold(rest.length)) {
      this.#streams.abort(stream, ERROR.enhanceYourCalm);
      return false;
    }
    stream.rest = rest;
    stream.restBytes = rest.length;
    if (this.#streams.blocked.has(stream)) return true;
    stream.blockedAt = performance.now();
    this.#streams.blocked.add(stream);
    return true;
  }

  /** @returns whether anything was sent */
  #sendPart(stream: Stream): boolean {
    const { rest, source } = stream;
    const room = Math.min(this.#window, stream.window, this.#maxFrame);
    if (room <= 0) return false;
    if (rest === undefined) {
      if (source && !stream.reading) this.#read(stream, source);
      return false;
    }
    const part = rest.subarray(0, room);
    const whole = part.length === rest.length;
    // The peer opens its windows for what it gets, a little at a time perhaps.
    if (!whole && part.length < TINY) this.#allowance.spend();
    else this.#allowance.earn(part.length / BYTES_A_FRAME);
    const last = whole && !source;
    this.#window -= part.length;
    stream.window -= part.length;
    this.#output.write(frame(FRAME.data, last ? FLAG.endStream : 0, stream.id, part));
    if (last) this.#streams.finish(stream);
    else if (whole) {
      stream.rest = undefined;
      stream.drop(stream.restBytes);
    } else stream.rest = rest.subarray(room);
    return true;
  }

  #read(stream: Stream, source: Source): void {
    stream.reading = true;
    source.read().then(
      (part) => {
        stream.reading = false;
        if (stream.closed) return;
        if (part === undefined) {
          this.#output.write(frame(FRAME.data, FLAG.endStream, stream.id, EMPTY));
          stream.source = undefined;
          this.#streams.finish(stream);
        } else if (part.length > 0) {
          this.#block(stream, Buffer.from(part.buffer, part.byteOffset, part.byteLength));
        }
        this.pump();
      },
      () => {
        stream.reading = false;
        if (!stream.closed) this.#streams.abort(stream, ERROR.internal);
      },
    );
  }
}
