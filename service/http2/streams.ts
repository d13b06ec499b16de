import type { Allowance } from "./allowance.ts";
import { ERROR, reset } from "./frame.ts";
import type { Output } from "./output.ts";
import type { Stream } from "./stream.ts";

/** Streams that were reset by us, of which something may be on its way still. */
const MOST_REMEMBERED = 256;
/** Gaps between the numbers that a client used. */
const MOST_GAPS = 64;
/** Frames without a request that a reply stands for: windows are opened for it, and it may be given up. */
const FRAMES_A_REPLY = 4;

/** Why a stream is closed: reset by us, never opened because a later one was, or ended by both sides or the peer. */
export type Closed = "reset" | "skipped" | "ended";

/** The streams of a connection: those that are open, and what is known of those that are not. */
export class Streams {
  readonly #output: Output;
  readonly #allowance: Allowance;
  readonly #open = new Map<number, Stream>();
  readonly #reset = new Set<number>();
  readonly #skipped: (readonly [from: number, to: number])[] = [];
  #last = 0;
  /** Whether anything was opened or closed since it was last asked. */
  #used = false;
  /** Those whose replies the peer has no room for. */
  readonly blocked = new Set<Stream>();
  /** Called when the last one that was open is closed. */
  onIdle: () => void = () => undefined;

  constructor(output: Output, allowance: Allowance) {
    this.#output = output;
    this.#allowance = allowance;
  }

  get size(): number {
    return this.#open.size;
  }

  /** The highest number that the peer used. */
  get last(): number {
    return this.#last;
  }

  get(id: number): Stream | undefined {
    return this.#open.get(id);
  }

  all(): IterableIterator<Stream> {
    return this.#open.values();
  }

  /** Whether it was in use since this was last asked. */
  wasUsed(): boolean {
    const used = this.#used || this.#open.size > 0;
    this.#used = false;
    return used;
  }

  /** Whether a stream was never opened, and may be still. */
  isIdle(id: number): boolean {
    return id > this.#last || id % 2 === 0;
  }

  /** Of one that is neither open nor idle. */
  howClosed(id: number): Closed {
    if (this.#reset.has(id)) return "reset";
    return this.#skipped.some(([from, to]) => from <= id && id <= to) ? "skipped" : "ended";
  }

  /** The peer has used a new number, whatever becomes of it. */
  use(id: number): void {
    if (id > this.#last + 2) {
      if (this.#skipped.length >= MOST_GAPS) this.#skipped.shift();
      this.#skipped.push([this.#last + 1, id - 1]);
    }
    this.#last = id;
    this.#used = true;
  }

  add(stream: Stream): void {
    this.#open.set(stream.id, stream);
  }

  /** The reply is out. */
  finish(stream: Stream): void {
    this.#allowance.earn(FRAMES_A_REPLY);
    // What is still to come of the request is not needed.
    if (!stream.ended) this.reset(stream.id, ERROR.none);
    this.#close(stream);
  }

  /** Tells the peer that nothing comes of a stream any more, which need not be open. */
  reset(id: number, error: number): void {
    if (this.#reset.size >= MOST_REMEMBERED) {
      for (const oldest of this.#reset) {
        this.#reset.delete(oldest);
        break;
      }
    }
    this.#reset.add(id);
    this.#output.write(reset(id, error));
  }

  /** Resets a stream that is open. */
  abort(stream: Stream, error: number): void {
    this.reset(stream.id, error);
    this.abandon(stream);
  }

  /** Nobody waits for its reply any more. */
  abandon(stream: Stream): void {
    stream.abandoned = true;
    this.#close(stream);
    stream.onAbandoned?.();
  }

  abandonAll(): void {
    for (const stream of this.#open.values()) this.abandon(stream);
  }

  #close(stream: Stream): void {
    if (stream.closed) return;
    stream.closed = true;
    stream.body?.discard();
    stream.body = undefined;
    stream.rest = undefined;
    stream.receiver = undefined;
    stream.source?.cancel();
    stream.source = undefined;
    stream.release();
    this.blocked.delete(stream);
    this.#open.delete(stream.id);
    if (this.#open.size === 0) this.onIdle();
  }
}
