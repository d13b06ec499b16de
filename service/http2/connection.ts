// One HTTP/2 connection without TLS (RFC 9113), as gateways keep to what is behind them: many requests
// at once on few connections. What comes together is read together and what is answered together is
// written together: one system call each, for dozens of requests.
import type { Socket } from "node:net";
import {
  DEFAULT_WINDOW,
  ERROR,
  FLAG,
  FRAME,
  frame,
  goAway,
  HEAD_BYTES,
  MAX_FRAME_BYTES,
  MAX_WINDOW,
  PREFACE,
  reset,
  SETTING,
  settings,
  windowUpdate,
  writeHead,
} from "./frame.ts";
import { CompressionError, HeaderReader, writeField, type HeaderMap } from "./hpack.ts";
import { Stream, type Carrier, type Receiver } from "./stream.ts";

export interface ConnectionOptions {
  /** Requests at once that the peer is asked to keep to. */
  readonly maxStreams: number;
  /** Largest body in bytes. */
  readonly maxBody: number;
  /** ms for a block of headers, and the preface; for a whole request, and for taking a reply. */
  readonly headerTimeout: number;
  readonly requestTimeout: number;
  /** ms that a connection without a request is kept. */
  readonly keepAlive: number;
}

/** What to do with a request whose headers are there; undefined where it is answered already. */
export type Accept = (stream: Stream) => Receiver | undefined;

/** The peer broke the protocol, or asks for too much: the connection ends. */
class ConnectionError extends Error {
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * Requests at once above which more are refused, to be sent again: more than is asked for, because a
 * peer may send dozens before it has heard what is asked.
 */
const MOST_STREAMS = 512;
/** A header block larger than this ends the connection. */
const MOST_HEADER_BYTES = 16 * 1024;
/** What the peer may send before it hears how much was used up, over all streams. */
const CONNECTION_WINDOW = 2 ** 30;
/** ms between the wish for no more requests and the end: what was on its way has come by then. */
const LEAVING_MS = 500;
/** ms for a peer to read the last that it is told. */
const LAST_MS = 1000;
/** Bytes of bodies that are not whole yet, of all requests together. */
const MOST_HELD = 32 * 1024 ** 2;
/** Requests that may be given up in a second whatever else goes on. */
const MOST_GIVEN_UP = 1000;
/** Bytes that wait for a peer which does not read; then nothing more of it is read either. */
const MOST_WAITING = 1024 ** 2;

export class Connection implements Carrier {
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #accept: Accept;
  readonly #headers = new HeaderReader();
  readonly #checked = new WeakMap<HeaderMap, boolean>();
  readonly #streams = new Map<number, Stream>();
  /** Requests answered, and given up by the peer, since the last sweep. */
  #answered = 0;
  #givenUp = 0;
  #lastStream = 0;
  #rest: Buffer | undefined;
  #greeted = false;
  /** A block of headers whose end has not come. */
  #block: { id: number; endStream: boolean; parts: Buffer[]; bytes: number } | undefined;
  #blockSince = 0;
  /** What the peer takes: on the connection, on each new stream, in one frame. */
  #window = DEFAULT_WINDOW;
  #streamWindow = DEFAULT_WINDOW;
  #maxFrame = MAX_FRAME_BYTES;
  #received = 0;
  /** Streams whose replies wait for room. */
  readonly #blocked = new Set<Stream>();
  #out: Buffer[] = [];
  #flushing = false;
  /** The peer was asked for no more requests; it gets no more. */
  #announced = false;
  #leaving = false;
  /** Bytes of bodies that are not whole yet. */
  #held = 0;
  #busyAt = performance.now();

  /** @param first what has been read of the socket */
  constructor(socket: Socket, first: Buffer, options: ConnectionOptions, accept: Accept) {
    this.#socket = socket;
    this.#options = options;
    this.#accept = accept;
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => {
      this.#read(chunk);
    });
    socket.on("drain", () => socket.resume());
    socket.on("error", () => socket.destroy());
    socket.on("end", () => {
      // What is answered already may still be read.
      this.#flush();
      this.#end(LAST_MS);
    });
    socket.on("close", () => {
      for (const stream of this.#streams.values()) stream.aborted = true;
    });
    this.#send(
      settings([
        // Without a table what was read once is known when it comes again.
        [SETTING.headerTableSize, 0],
        [SETTING.maxConcurrentStreams, options.maxStreams],
      ]),
    );
    this.#send(windowUpdate(0, CONNECTION_WINDOW - DEFAULT_WINDOW));
    this.#read(first);
  }

  get destroyed(): boolean {
    return this.#socket.destroyed;
  }

  /**
   * Asks for no more requests, takes those that are on their way, and closes when the last one is
   * answered.
   */
  leave(): void {
    if (this.#leaving || this.#announced) return;
    this.#announced = true;
    this.#send(goAway(MAX_WINDOW, ERROR.none));
    setTimeout(() => {
      this.#leave();
    }, LEAVING_MS).unref();
  }

  #leave(): void {
    if (this.#leaving) return;
    this.#leaving = true;
    this.#send(goAway(this.#lastStream, ERROR.none));
    this.#closeWhenDone();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Ends what took too long; called every now and then. */
  sweep(now: number): void {
    if (this.#socket.writableEnded) return;
    const { headerTimeout, requestTimeout, keepAlive } = this.#options;
    const starting = !this.#greeted && now - this.#busyAt > headerTimeout;
    const inHeaders = this.#block !== undefined && now - this.#blockSince > headerTimeout;
    if (starting || inHeaders) {
      this.#fail(new ConnectionError(ERROR.enhanceYourCalm, "headers came too slowly"));
      return;
    }
    for (const stream of this.#streams.values()) {
      if (stream.rest) {
        if (now - stream.blockedAt > requestTimeout) this.#abort(stream, ERROR.cancel);
      } else if (!stream.ended && now - stream.openedAt > requestTimeout) {
        const { receiver } = stream;
        stream.receiver = undefined;
        receiver?.onTooSlow();
      }
    }
    const busy = this.#streams.size + this.#answered + this.#givenUp > 0;
    this.#answered = this.#givenUp = 0;
    if (busy) this.#busyAt = now;
    else if (this.#greeted && now - this.#busyAt > keepAlive) this.leave();
  }

  respond(stream: Stream, head: Buffer, body: Buffer | string): void {
    if (stream.answered) return;
    stream.answered = true;
    if (stream.aborted || this.#socket.writableEnded) return;
    this.#answered++;
    const length = typeof body === "string" ? Buffer.byteLength(body) : body.length;
    const whole = length <= this.#window && length <= stream.window && length <= this.#maxFrame;
    const start = HEAD_BYTES + head.length;
    const reply = Buffer.allocUnsafe(start + (whole && length > 0 ? HEAD_BYTES + length : 0));
    const headFlags = FLAG.endHeaders | (length === 0 ? FLAG.endStream : 0);
    writeHead(reply, 0, head.length, FRAME.headers, headFlags, stream.id);
    reply.set(head, HEAD_BYTES);
    if (whole && length > 0) {
      writeHead(reply, start, length, FRAME.data, FLAG.endStream, stream.id);
      if (typeof body !== "string") reply.set(body, start + HEAD_BYTES);
      // As many bytes as characters is ASCII, and that is written without a look at each of them.
      else if (length === body.length) reply.write(body, start + HEAD_BYTES, "latin1");
      else reply.write(body, start + HEAD_BYTES);
      this.#window -= length;
      stream.window -= length;
    }
    this.#send(reply);
    if (whole || length === 0) this.#finish(stream);
    else {
      stream.rest = typeof body === "string" ? Buffer.from(body) : body;
      stream.blockedAt = performance.now();
      this.#blocked.add(stream);
      this.#pump();
    }
  }

  /** Sends of the replies that wait what the peer has room for. */
  #pump(): void {
    for (const stream of this.#blocked) {
      while (stream.rest) {
        const room = Math.min(this.#window, stream.window, this.#maxFrame);
        if (room <= 0) break;
        const part = stream.rest.subarray(0, room);
        const last = part.length === stream.rest.length;
        this.#window -= part.length;
        stream.window -= part.length;
        this.#send(frame(FRAME.data, last ? FLAG.endStream : 0, stream.id, part));
        stream.rest = last ? undefined : stream.rest.subarray(room);
      }
      if (!stream.rest) {
        this.#blocked.delete(stream);
        this.#finish(stream);
      }
      if (this.#window <= 0) return;
    }
  }

  /** The reply is out. */
  #finish(stream: Stream): void {
    // What is still to come of the request is not needed.
    if (!stream.ended) this.#send(reset(stream.id, ERROR.none));
    this.#forget(stream);
  }

  #forget(stream: Stream): void {
    this.#take(stream);
    this.#streams.delete(stream.id);
    this.#blocked.delete(stream);
    stream.rest = undefined;
    stream.receiver = undefined;
    this.#closeWhenDone();
  }

  #closeWhenDone(): void {
    if (!this.#leaving || this.#streams.size > 0) return;
    this.#flush();
    this.#end(this.#options.requestTimeout);
  }

  /** Nothing more is written or read; a peer that does not close either has so many ms. */
  #end(ms: number): void {
    const socket = this.#socket;
    if (socket.writableEnded) return;
    socket.removeAllListeners("data");
    // Also where it was paused: its end has to be seen.
    socket.resume();
    socket.end();
    const late = setTimeout(() => socket.destroy(), ms).unref();
    socket.once("close", () => {
      clearTimeout(late);
    });
  }

  #send(bytes: Buffer): void {
    if (this.#socket.writableEnded || this.destroyed) return;
    this.#out.push(bytes);
    if (this.#flushing) return;
    this.#flushing = true;
    setImmediate(() => {
      this.#flush();
    });
  }

  #flush(): void {
    this.#flushing = false;
    const out = this.#out;
    if (out.length === 0 || this.destroyed || this.#socket.writableEnded) return;
    this.#out = [];
    const [only] = out;
    this.#socket.write(out.length === 1 && only ? only : Buffer.concat(out));
    if (this.#socket.writableLength > MOST_WAITING) this.#socket.pause();
  }

  #read(chunk: Buffer): void {
    let bytes = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk;
    this.#rest = undefined;
    try {
      if (!this.#greeted) {
        const seen = Math.min(bytes.length, PREFACE.length);
        if (PREFACE.compare(bytes, 0, seen, 0, seen) !== 0) {
          throw new ConnectionError(ERROR.protocol, "this is not HTTP/2");
        }
        if (bytes.length < PREFACE.length) {
          this.#rest = bytes;
          return;
        }
        this.#greeted = true;
        bytes = bytes.subarray(PREFACE.length);
      }
      let at = 0;
      while (bytes.length - at >= HEAD_BYTES) {
        const length = bytes.readUIntBE(at, 3);
        if (length > MAX_FRAME_BYTES) {
          throw new ConnectionError(ERROR.frameSize, `a frame of ${length} bytes`);
        }
        const end = at + HEAD_BYTES + length;
        if (bytes.length < end) break;
        const type = bytes[at + 3] ?? 0;
        const flags = bytes[at + 4] ?? 0;
        const id = bytes.readUInt32BE(at + 5) & 0x7fffffff;
        this.#frame(type, flags, id, bytes.subarray(at + HEAD_BYTES, end));
        at = end;
        // A request that is given up at once makes room for the next: no way to more than may be.
        if (this.#givenUp > MOST_GIVEN_UP && this.#givenUp > 4 * this.#answered) {
          throw new ConnectionError(ERROR.enhanceYourCalm, "requests are only given up");
        }
      }
      if (at < bytes.length) this.#rest = bytes.subarray(at);
    } catch (error) {
      if (error instanceof ConnectionError) this.#fail(error);
      else if (error instanceof CompressionError) {
        this.#fail(new ConnectionError(ERROR.compression, error.message));
      } else throw error;
    }
  }

  #fail({ code }: ConnectionError): void {
    this.#leaving = true;
    this.#rest = undefined;
    this.#send(goAway(this.#lastStream, code));
    this.#flush();
    this.#end(LAST_MS);
  }

  #frame(type: number, flags: number, id: number, payload: Buffer): void {
    if (this.#block && (type !== FRAME.continuation || id !== this.#block.id)) {
      throw new ConnectionError(ERROR.protocol, "headers were interrupted");
    }
    switch (type) {
      case FRAME.data:
        this.#onData(flags, id, payload);
        break;
      case FRAME.headers:
        this.#onHeaders(flags, id, payload);
        break;
      case FRAME.continuation:
        this.#onContinuation(flags, payload);
        break;
      case FRAME.reset:
        this.#onReset(id, payload);
        break;
      case FRAME.settings:
        this.#onSettings(flags, id, payload);
        break;
      case FRAME.ping:
        if (payload.length !== 8) throw new ConnectionError(ERROR.frameSize, "a ping");
        if (id !== 0) throw new ConnectionError(ERROR.protocol, "a ping on a stream");
        if (!(flags & FLAG.ack)) this.#send(frame(FRAME.ping, FLAG.ack, 0, payload));
        break;
      case FRAME.windowUpdate:
        this.#onWindowUpdate(id, payload);
        break;
      case FRAME.pushPromise:
        throw new ConnectionError(ERROR.protocol, "a client does not push");
      case FRAME.goAway:
        this.#leave();
        break;
      // Priorities, and frames of later versions, say nothing to us.
    }
  }

  /** What a frame carries, without its padding. */
  #unpad(flags: number, payload: Buffer): Buffer {
    if (!(flags & FLAG.padded)) return payload;
    const padding = payload[0] ?? 0;
    if (padding >= payload.length) throw new ConnectionError(ERROR.protocol, "only padding");
    return payload.subarray(1, payload.length - padding);
  }

  #onHeaders(flags: number, id: number, payload: Buffer): void {
    if (id % 2 === 0) throw new ConnectionError(ERROR.protocol, `stream ${id} is no client's`);
    let block = this.#unpad(flags, payload);
    if (flags & FLAG.priority) block = block.subarray(5);
    const endStream = (flags & FLAG.endStream) !== 0;
    if (flags & FLAG.endHeaders) this.#onBlock(id, endStream, block);
    else {
      this.#block = { id, endStream, parts: [Buffer.from(block)], bytes: block.length };
      this.#blockSince = performance.now();
    }
  }

  #onContinuation(flags: number, payload: Buffer): void {
    const open = this.#block;
    if (!open) throw new ConnectionError(ERROR.protocol, "headers go on that never began");
    open.bytes += payload.length;
    open.parts.push(Buffer.from(payload));
    if (open.bytes > MOST_HEADER_BYTES || open.parts.length > 64) {
      throw new ConnectionError(ERROR.enhanceYourCalm, "headers larger than 16 kB");
    }
    if (!(flags & FLAG.endHeaders)) return;
    this.#block = undefined;
    this.#onBlock(open.id, open.endStream, Buffer.concat(open.parts));
  }

  #onBlock(id: number, endStream: boolean, block: Buffer): void {
    // Read in any case: the tables of both sides have to stay the same.
    const headers = this.#headers.read(block);
    const known = this.#streams.get(id);
    if (known) {
      // Trailers: the end of a body.
      if (!endStream || known.ended)
        throw new ConnectionError(ERROR.protocol, "headers amid a body");
      this.#onEnd(known, EMPTY);
      return;
    }
    // One that was answered or given up; what was on its way comes still.
    if (id <= this.#lastStream) return;
    this.#lastStream = id;
    if (this.#leaving || this.#streams.size >= MOST_STREAMS) {
      this.#send(reset(id, ERROR.refusedStream));
      return;
    }
    if (!this.#isRequest(headers)) {
      this.#send(reset(id, ERROR.protocol));
      return;
    }
    const stream = new Stream(id, headers, this.#streamWindow, this);
    stream.ended = endStream;
    this.#streams.set(id, stream);
    const receiver = this.#accept(stream);
    if (stream.answered) return;
    stream.receiver = receiver;
    if (endStream) this.#onEnd(stream, EMPTY);
    else if (headers.get("expect") === "100-continue") {
      this.#send(frame(FRAME.headers, FLAG.endHeaders, id, CONTINUE));
    }
  }

  /** Of blocks that come again and again it is known. */
  #isRequest(headers: HeaderMap): boolean {
    let known = this.#checked.get(headers);
    if (known === undefined) this.#checked.set(headers, (known = isRequest(headers)));
    return known;
  }

  #onData(flags: number, id: number, payload: Buffer): void {
    if (id === 0 || id > this.#lastStream) {
      throw new ConnectionError(ERROR.protocol, `data of stream ${id}, which is not open`);
    }
    // Padding counts as well.
    this.#received += payload.length;
    if (this.#received > CONNECTION_WINDOW / 2) {
      this.#send(windowUpdate(0, this.#received));
      this.#received = 0;
    }
    const data = this.#unpad(flags, payload);
    const stream = this.#streams.get(id);
    // One that was answered or given up.
    if (!stream) return;
    if (stream.ended) {
      this.#abort(stream, ERROR.streamClosed);
      return;
    }
    const end = (flags & FLAG.endStream) !== 0;
    stream.received += data.length;
    const { receiver } = stream;
    if (receiver && stream.received > this.#options.maxBody) {
      this.#take(stream);
      stream.ended = end;
      stream.receiver = undefined;
      receiver.onTooLarge();
      return;
    }
    if (end) {
      this.#onEnd(stream, data);
      return;
    }
    if (receiver && data.length > 0) {
      if (this.#held + data.length > MOST_HELD) {
        this.#abort(stream, ERROR.enhanceYourCalm);
        return;
      }
      this.#held += data.length;
      // A copy: what was read lives on as long as any part of it.
      (stream.chunks ??= []).push(Buffer.from(data));
    }
    if (payload.length > 0) this.#send(windowUpdate(id, payload.length));
  }

  /** The request is whole; `last` is what came now. */
  #onEnd(stream: Stream, last: Buffer): void {
    stream.ended = true;
    const { receiver, headers, received } = stream;
    stream.receiver = undefined;
    const earlier = this.#take(stream);
    const length = headers.get("content-length");
    if (length !== undefined && Number(length) !== received) this.#abort(stream, ERROR.protocol);
    else receiver?.onBody(earlier.length === 0 ? last : Buffer.concat([...earlier, last]));
  }

  /** What has come of a body until now; it is held here no longer. */
  #take(stream: Stream): readonly Buffer[] {
    const { chunks } = stream;
    if (chunks === undefined) return NOTHING;
    stream.chunks = undefined;
    for (const { length } of chunks) this.#held -= length;
    return chunks;
  }

  #onReset(id: number, payload: Buffer): void {
    if (payload.length !== 4) throw new ConnectionError(ERROR.frameSize, "a reset");
    if (id === 0 || id > this.#lastStream) {
      throw new ConnectionError(ERROR.protocol, `stream ${id} was never open`);
    }
    const stream = this.#streams.get(id);
    if (!stream) return;
    this.#giveUp(stream);
  }

  /** Nobody waits for its reply any more. */
  #giveUp(stream: Stream): void {
    stream.aborted = true;
    this.#givenUp++;
    this.#forget(stream);
  }

  #abort(stream: Stream, error: number): void {
    this.#send(reset(stream.id, error));
    this.#giveUp(stream);
  }

  #onSettings(flags: number, id: number, payload: Buffer): void {
    if (id !== 0) throw new ConnectionError(ERROR.protocol, "settings of a stream");
    if (flags & FLAG.ack) {
      this.#headers.forgetTable();
      return;
    }
    if (payload.length % 6 !== 0) throw new ConnectionError(ERROR.frameSize, "settings");
    let window = this.#streamWindow;
    for (let at = 0; at < payload.length; at += 6) {
      const name = payload.readUInt16BE(at);
      const value = payload.readUInt32BE(at + 2);
      if (name === SETTING.initialWindowSize) {
        if (value > MAX_WINDOW) throw new ConnectionError(ERROR.flowControl, "a window");
        window = value;
      } else if (name === SETTING.maxFrameSize) {
        if (value < MAX_FRAME_BYTES || value >= 2 ** 24) {
          throw new ConnectionError(ERROR.protocol, "a frame size");
        }
        this.#maxFrame = Math.min(value, 65_536);
      }
    }
    const change = window - this.#streamWindow;
    this.#streamWindow = window;
    for (const stream of change === 0 ? [] : this.#streams.values()) {
      stream.window += change;
      if (stream.window > MAX_WINDOW) {
        throw new ConnectionError(ERROR.flowControl, "a stream's window");
      }
    }
    this.#send(frame(FRAME.settings, FLAG.ack, 0));
    this.#pump();
  }

  #onWindowUpdate(id: number, payload: Buffer): void {
    if (payload.length !== 4) throw new ConnectionError(ERROR.frameSize, "a window update");
    const more = payload.readUInt32BE(0) & 0x7fffffff;
    if (id === 0) {
      this.#window += more;
      if (more === 0 || this.#window > MAX_WINDOW) {
        throw new ConnectionError(ERROR.flowControl, "the connection's window");
      }
    } else {
      if (id > this.#lastStream) throw new ConnectionError(ERROR.protocol, "no such stream");
      const stream = this.#streams.get(id);
      if (!stream) return;
      stream.window += more;
      if (more === 0 || stream.window > MAX_WINDOW) {
        this.#abort(stream, more === 0 ? ERROR.protocol : ERROR.flowControl);
        return;
      }
    }
    if (this.#blocked.size > 0) this.#pump();
  }
}

const EMPTY = Buffer.alloc(0);
const NOTHING: readonly Buffer[] = [];
const CONTINUE = writeField(":status", "100");

const METHOD = /^[A-Z][A-Z-]{0,31}$/;
const OF_A_CONNECTION = [
  "connection",
  "transfer-encoding",
  "upgrade",
  "keep-alive",
  "proxy-connection",
];

/** Whether headers are a request's: what is forbidden would mean something else further on. */
function isRequest(headers: HeaderMap): boolean {
  const path = headers.get(":path") ?? "";
  if (!METHOD.test(headers.get(":method") ?? "") || !headers.has(":scheme")) return false;
  if (!path.startsWith("/") && path !== "*") return false;
  if (OF_A_CONNECTION.some((name) => headers.has(name))) return false;
  let regular = false;
  for (const name of headers.keys()) {
    const pseudo = name.startsWith(":");
    if (pseudo && (regular || !PSEUDO.has(name))) return false;
    if (!pseudo && !FIELD_NAME.test(name)) return false;
    regular ||= !pseudo;
  }
  return true;
}

const PSEUDO = new Set([":method", ":scheme", ":path", ":authority"]);
const FIELD_NAME = /^[a-z0-9!#$%&'*+.^_`|~-]+$/;
