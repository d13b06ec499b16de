import type { ServerResponse } from "node:http";
import type { Budget } from "./budget.ts";

/** Bytes that are handed to a connection at once; the next when these are taken. */
export const PIECE_BYTES = 64 * 1024;

/** What a request and its reply take beside their bytes, until the reply is out. */
export const REQUEST_BYTES = 4096;
/**
 * The same of one that came behind another of its connection. 7 kB were measured, for a route of Hono's; but
 * so many come at once, and so few clients do that, that they get less of what there is.
 */
export const PIPELINED_BYTES = 16 * 1024;
/** ms after which who has not taken a reply has to make room for others. */
const ROOM_AFTER_MS = 1000;

interface Reply {
  readonly since: number;
  /** What it counts for. */
  bytes: number;
  /** What was handed to its connection when that was last looked at, and when more was for the last time. */
  written: number;
  at: number;
}

/**
 * Replies over HTTP/1.1 that their clients have not taken yet: they count among what the process holds,
 * and who takes nothing for too long is given up. A client has to take `PIECE_BYTES` in each such time,
 * or all, where less is left.
 */
export class Unsent {
  readonly #budget: Budget;
  readonly #patience: number;
  readonly #replies = new Map<ServerResponse, Reply>();

  /** @param patience ms without any progress */
  constructor(budget: Budget, patience: number) {
    this.#budget = budget;
    this.#patience = patience;
  }

  get count(): number {
    return this.#replies.size;
  }

  /** Ends a reply with a large body, as its client takes it. */
  send(outgoing: ServerResponse, body: Buffer): void {
    let at = 0;
    const more = (): void => {
      while (at < body.length) {
        const piece = body.subarray(at, at + PIECE_BYTES);
        at += piece.length;
        if (at === body.length) outgoing.end(piece);
        else if (!outgoing.write(piece)) {
          outgoing.once("drain", more);
          return;
        }
      }
    };
    more();
    if (at < body.length || outgoing.writableLength > 0) this.watch(outgoing, body.length);
  }

  /** Looks after what is left of a reply until it is out; without room for it its connection ends. */
  watch(outgoing: ServerResponse, bytes = outgoing.writableLength): void {
    if (!this.expect(outgoing, bytes)) outgoing.req.socket.destroy();
  }

  /**
   * Looks after a reply that is to come. Without room for it, whoever has not taken one for longest makes
   * room for others: what he held is free when Node has closed his connection, and no sooner.
   * @param bytes that it counts for, beside those that it counts for already
   * @returns whether there was room
   */
  expect(outgoing: ServerResponse, bytes: number): boolean {
    if (outgoing.closed) return true;
    if (!this.#budget.take(bytes)) {
      this.#makeRoom();
      return false;
    }
    const known = this.#replies.get(outgoing);
    if (known) {
      known.bytes += bytes;
      return true;
    }
    const now = performance.now();
    const reply = { bytes, written: 0, at: now, since: now };
    this.#replies.set(outgoing, reply);
    outgoing.once("close", () => {
      this.#forget(outgoing);
    });
    return true;
  }

  /** Gives up the one that has not been taken for longest, where it has waited long. */
  #makeRoom(): void {
    const now = performance.now();
    for (const [outgoing, { since }] of this.#replies) {
      if (now - since < ROOM_AFTER_MS) return;
      const { socket } = outgoing.req;
      if (outgoing.writableLength === 0 || socket.destroyed) continue;
      socket.destroy();
      return;
    }
  }

  #forget(outgoing: ServerResponse): void {
    const reply = this.#replies.get(outgoing);
    if (!reply) return;
    this.#replies.delete(outgoing);
    this.#budget.give(reply.bytes);
  }

  /** Gives up those that make no progress; called every now and then. */
  sweep(now: number): void {
    for (const [outgoing, reply] of this.#replies) {
      const { socket } = outgoing.req;
      const written = socket.bytesWritten;
      // Nothing to take yet, or something was taken.
      if (outgoing.writableLength === 0 || written !== reply.written) {
        reply.written = written;
        reply.at = now;
      } else if (now - reply.at > this.#patience) socket.destroy();
    }
  }
}
