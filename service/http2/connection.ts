// One HTTP/2 connection without TLS (RFC 9113), as gateways keep to what is behind them: many requests
// at once on few connections. What comes together is read together and what is answered together is
// written together: one system call each, for dozens of requests.
import type { Socket } from "node:net";
import type { Budget } from "../budget.ts";
import { fallsBehind } from "../times.ts";
import { Allowance } from "./allowance.ts";
import { ConnectionError } from "./errors.ts";
import {
  DEFAULT_WINDOW,
  ERROR,
  FLAG,
  FRAME,
  frame,
  goAway,
  MAX_FRAME_BYTES,
  MAX_WINDOW,
  PREFACE,
  SETTING,
  settings,
  windowUpdate,
} from "./frame.ts";
import { FrameReader } from "./frame-reader.ts";
import { CompressionError } from "./hpack.ts";
import { Holding } from "../gathering.ts";
import { Output } from "./output.ts";
import { Replies } from "./replies.ts";
import { CONNECTION_WINDOW, Requests, type Accept } from "./requests.ts";
import { Streams } from "./streams.ts";

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
  /** The account of what callers make this process hold. */
  readonly budget: Budget;
}

/** ms between the wish for no more requests and the end: what was on its way has come by then. */
const LEAVING_MS = 500;
/** ms for a peer to read the last that it is told. */
const LAST_MS = 1000;
/** Bytes of headers under way, and of output that waits, that every connection has room for. */
const FREE_INPUT = 4 * 1024;
const FREE_OUTPUT = 16 * 1024;
/** Frames that carry no request: at once, and a second. */
const MOST_CONTROL = 1000;
const CONTROL_PER_SECOND = 100;
/**
 * Requests that the peer gives up, the same. One costs less than one that is answered, and a gateway passes
 * on what strangers do: only what no gateway would send ends the connection.
 */
const MOST_GIVEN_UP = 20_000;
const GIVEN_UP_PER_SECOND = 10_000;

/** The life of a connection: its beginning, what is said on it beside requests, and its end. */
export class Connection {
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #output: Output;
  readonly #frames: FrameReader;
  readonly #streams: Streams;
  readonly #replies: Replies;
  readonly #requests: Requests;
  readonly #control = new Allowance(MOST_CONTROL, CONTROL_PER_SECOND);
  readonly #givenUp = new Allowance(MOST_GIVEN_UP, GIVEN_UP_PER_SECOND);
  /** Bytes of the preface that have come; whether the settings that follow it have. */
  #greeting = 0;
  #settled = false;
  /** The peer was asked for no more requests; it gets no more. */
  #announced = false;
  #leaving = false;
  #busyAt = performance.now();

  /** @param first what has been read of the socket */
  constructor(socket: Socket, first: Buffer, options: ConnectionOptions, accept: Accept) {
    const { budget } = options;
    this.#socket = socket;
    this.#options = options;
    // One that is refused for want of memory goes on, so what that takes does not depend on it.
    const holding = new Holding(budget, FREE_INPUT);
    const waiting = new Holding(budget, FREE_OUTPUT);
    const remembering = new Holding(budget);
    const output = new Output(socket, waiting);
    const streams = new Streams(output, this.#control);
    const replies = new Replies(output, streams, this.#control);
    const parts = { output, streams, replies, allowance: this.#control, holding, remembering };
    this.#output = output;
    this.#streams = streams;
    this.#replies = replies;
    this.#requests = new Requests(options, parts, accept);
    this.#frames = new FrameReader(holding, (type, flags, id, payload) => {
      this.#onFrame(type, flags, id, payload);
    });
    output.onRoom = () => {
      replies.pump();
    };
    streams.onIdle = () => {
      if (this.#leaving) this.#closeWhenDone();
    };
    socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => {
      this.#read(chunk);
    });
    socket.on("error", () => socket.destroy());
    socket.on("end", () => {
      // What is answered already may still be read.
      this.#end(LAST_MS);
    });
    socket.on("close", () => {
      streams.abandonAll();
      for (const held of [holding, waiting, remembering]) held.release();
    });
    output.write(settings([[SETTING.maxConcurrentStreams, options.maxStreams]]));
    output.write(windowUpdate(0, CONNECTION_WINDOW - DEFAULT_WINDOW));
    this.#read(first);
  }

  /**
   * Asks for no more requests, takes those that are on their way, and closes when the last one is
   * answered.
   */
  leave(): void {
    if (this.#leaving || this.#announced) return;
    this.#announced = true;
    this.#output.write(goAway(MAX_WINDOW, ERROR.none));
    setTimeout(() => {
      this.#leave(ERROR.none);
    }, LEAVING_MS).unref();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Ends what took too long; called every second. */
  sweep(now: number): void {
    if (this.#output.ended) return;
    this.#control.refill();
    this.#givenUp.refill();
    const { headerTimeout, requestTimeout, keepAlive } = this.#options;
    const since = this.#settled ? this.#requests.blockSince : this.#busyAt;
    if (since !== undefined && now - since > headerTimeout) {
      this.#fail(ERROR.enhanceYourCalm);
      return;
    }
    for (const stream of this.#streams.all()) {
      if (this.#streams.blocked.has(stream)) {
        if (now - stream.blockedAt > requestTimeout) this.#streams.abort(stream, ERROR.cancel);
      } else if (!stream.ended) {
        const ms = now - stream.openedAt;
        if (ms > requestTimeout || fallsBehind(stream.received, ms, stream.declared)) {
          this.#requests.onTooSlow(stream);
        }
      }
    }
    if (this.#streams.wasUsed()) this.#busyAt = now;
    else if (this.#settled && now - this.#busyAt > keepAlive) this.leave();
  }

  #read(chunk: Buffer): void {
    try {
      const rest = this.#greeting < PREFACE.length ? this.#greet(chunk) : chunk;
      if (rest.length > 0) this.#frames.read(rest);
      this.#requests.handOver();
    } catch (error) {
      if (error instanceof ConnectionError) this.#fail(error.code);
      else if (error instanceof CompressionError) this.#fail(ERROR.compression);
      else if (error instanceof Exhausted) this.#calm();
      else throw error;
    }
  }

  /** Takes the preface. @returns what comes after it */
  #greet(chunk: Buffer): Buffer {
    const from = this.#greeting;
    const to = Math.min(PREFACE.length, from + chunk.length);
    if (PREFACE.compare(chunk, 0, to - from, from, to) !== 0) {
      throw new ConnectionError(ERROR.protocol, "this is not HTTP/2");
    }
    this.#greeting = to;
    return chunk.subarray(to - from);
  }

  /** @throws ConnectionError, CompressionError, Exhausted */
  #onFrame(type: number, flags: number, id: number, payload: Buffer): void {
    const requests = this.#requests;
    if (!this.#settled) {
      if (type !== FRAME.settings || flags & FLAG.ack) {
        throw new ConnectionError(ERROR.protocol, "settings come first");
      }
      this.#settled = true;
    }
    const { blockId } = requests;
    if (blockId !== undefined && (type !== FRAME.continuation || id !== blockId)) {
      throw new ConnectionError(ERROR.protocol, "headers were interrupted");
    }
    switch (type) {
      case FRAME.data:
        requests.onData(flags, id, payload);
        break;
      case FRAME.headers:
        requests.onHeaders(flags, id, payload);
        break;
      case FRAME.continuation:
        requests.onContinuation(flags, payload);
        break;
      case FRAME.priority:
        requests.onPriority(id, payload);
        break;
      case FRAME.reset:
        this.#onReset(id, payload);
        break;
      case FRAME.settings:
        this.#onSettings(flags, id, payload);
        break;
      case FRAME.ping:
        this.#onPing(flags, id, payload);
        break;
      case FRAME.windowUpdate:
        this.#onWindowUpdate(id, payload);
        break;
      case FRAME.pushPromise:
        throw new ConnectionError(ERROR.protocol, "a client does not push");
      case FRAME.goAway:
        if (id !== 0) throw new ConnectionError(ERROR.protocol, "a stream says goodbye");
        if (payload.length < 8) throw new ConnectionError(ERROR.frameSize, "a goodbye");
        this.#leave(ERROR.none);
        break;
      default:
        // Frames of later versions say nothing to us.
        this.#control.spend();
    }
    if (this.#control.exhausted || this.#givenUp.exhausted) throw new Exhausted();
  }

  #onReset(id: number, payload: Buffer): void {
    if (payload.length !== 4) throw new ConnectionError(ERROR.frameSize, "a reset");
    if (this.#streams.isIdle(id)) {
      throw new ConnectionError(ERROR.protocol, `stream ${id} was never open`);
    }
    this.#givenUp.spend();
    const stream = this.#streams.get(id);
    if (stream) this.#streams.abandon(stream);
  }

  #onPing(flags: number, id: number, payload: Buffer): void {
    if (payload.length !== 8) throw new ConnectionError(ERROR.frameSize, "a ping");
    if (id !== 0) throw new ConnectionError(ERROR.protocol, "a ping on a stream");
    this.#control.spend();
    if (!(flags & FLAG.ack)) this.#output.write(frame(FRAME.ping, FLAG.ack, 0, payload));
  }

  #onSettings(flags: number, id: number, payload: Buffer): void {
    if (id !== 0) throw new ConnectionError(ERROR.protocol, "settings of a stream");
    const isAck = (flags & FLAG.ack) !== 0;
    if (payload.length % 6 !== 0 || (isAck && payload.length > 0)) {
      throw new ConnectionError(ERROR.frameSize, "settings");
    }
    this.#control.spend();
    if (isAck) return;
    let window = this.#replies.initialWindow;
    for (let at = 0; at < payload.length; at += 6) {
      const name = payload.readUInt16BE(at);
      const value = payload.readUInt32BE(at + 2);
      if (name === SETTING.enablePush) {
        if (value > 1) throw new ConnectionError(ERROR.protocol, "push is neither on nor off");
      } else if (name === SETTING.initialWindowSize) {
        if (value > MAX_WINDOW) throw new ConnectionError(ERROR.flowControl, "a window");
        window = value;
      } else if (name === SETTING.maxFrameSize) {
        if (value < MAX_FRAME_BYTES || value >= 2 ** 24) {
          throw new ConnectionError(ERROR.protocol, "a frame size");
        }
        this.#replies.setMaxFrame(value);
      }
    }
    this.#output.write(frame(FRAME.settings, FLAG.ack, 0));
    this.#replies.setInitialWindow(window);
  }

  #onWindowUpdate(id: number, payload: Buffer): void {
    if (payload.length !== 4) throw new ConnectionError(ERROR.frameSize, "a window update");
    if (id !== 0 && this.#streams.isIdle(id)) {
      throw new ConnectionError(ERROR.protocol, `stream ${id} was never open`);
    }
    this.#control.spend();
    const more = payload.readUInt32BE(0) & 0x7fffffff;
    const stream = id === 0 ? undefined : this.#streams.get(id);
    if (more === 0) {
      if (id === 0) throw new ConnectionError(ERROR.protocol, "a window that opens by nothing");
      if (stream) this.#streams.abort(stream, ERROR.protocol);
      else if (this.#streams.howClosed(id) !== "reset") this.#streams.reset(id, ERROR.protocol);
    } else if (id === 0 || stream) this.#replies.grow(stream, more);
  }

  /** Takes no more requests, and closes when the last one is answered. */
  #leave(error: number): void {
    if (this.#leaving) return;
    this.#leaving = true;
    this.#requests.refusing = true;
    this.#output.write(goAway(this.#streams.last, error));
    this.#closeWhenDone();
  }

  /** Reads no more of a peer that only makes work; what it asked for before is answered still. */
  #calm(): void {
    this.#socket.removeAllListeners("data");
    this.#socket.resume();
    this.#leaving = true;
    this.#output.write(goAway(this.#streams.last, ERROR.enhanceYourCalm));
    for (const stream of this.#streams.all()) {
      if (!stream.ended) this.#streams.abort(stream, ERROR.enhanceYourCalm);
    }
    this.#requests.handOver();
    this.#closeWhenDone();
  }

  #fail(error: number): void {
    this.#leaving = true;
    this.#output.write(goAway(this.#streams.last, error));
    this.#end(LAST_MS);
  }

  #closeWhenDone(): void {
    if (this.#streams.size === 0) this.#end(this.#options.requestTimeout);
  }

  /** Nothing more is written or read; a peer that does not close either has so many ms. */
  #end(ms: number): void {
    this.#output.flush();
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
}

/** The peer sent too much that carries no request. */
class Exhausted extends Error {}
