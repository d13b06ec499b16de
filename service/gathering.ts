import type { Budget } from "./budget.ts";

/** What one thing holds of the budget, until it lets go of it. */
export class Holding {
  readonly #budget: Budget;
  readonly #free: number;
  #held = 0;

  /** @param free bytes that count for nothing: what every connection has room for (see sizing.ts) */
  constructor(budget: Budget, free = 0) {
    this.#budget = budget;
    this.#free = free;
  }

  get held(): number {
    return this.#held;
  }

  /** Whether `bytes` more fit; they are held then. */
  hold(bytes: number): boolean {
    const counted = this.#counted(this.#held + bytes) - this.#counted(this.#held);
    if (counted > 0 && !this.#budget.take(counted)) return false;
    this.#held += bytes;
    return true;
  }

  drop(bytes: number): void {
    if (bytes === 0) return;
    this.#budget.give(this.#counted(this.#held) - this.#counted(this.#held - bytes));
    this.#held -= bytes;
  }

  release(): void {
    this.drop(this.#held);
  }

  #counted(bytes: number): number {
    return Math.max(0, bytes - this.#free);
  }
}

/** Bytes for what comes first; there is room for twice as much whenever it has to be more. */
const FIRST_BYTES = 256;

/** Below, a piece is not worth it. */
const WORTH_BYTES = 4096;

/**
 * Frees a piece that was read of a connection, when nobody looks at it any more. Garbage outside its heap V8
 * collects late: tens of megabytes, of a replica that has no more than that.
 */
export function letGo(part: Buffer): void {
  if (part.byteLength < WORTH_BYTES) return;
  const { buffer, byteLength } = part;
  // Some share their memory with others.
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}

const nothing = (): Uint8Array<ArrayBuffer> => new Uint8Array(0);

/**
 * Bytes that come in pieces, in one piece of memory that grows. What it costs follows the bytes, in however
 * small pieces they come, and none of what the pieces were cut from lives on. What it was in before is free
 * at once, and not only when garbage is collected: of memory outside its heap V8 waits for much.
 */
export class Gathering {
  readonly #holding: Holding;
  #room = nothing();
  #length = 0;

  constructor(holding: Holding) {
    this.#holding = holding;
  }

  get length(): number {
    return this.#length;
  }

  /** What is there, valid until more is added. */
  get bytes(): Buffer {
    return Buffer.from(this.#room.buffer, 0, this.#length);
  }

  /** Adds a copy. @returns whether the budget had room for it */
  add(part: Uint8Array): boolean {
    const length = this.#length + part.length;
    const before = this.#room.length;
    if (length > before) {
      const room = Math.max(FIRST_BYTES, length, 2 * before);
      if (!this.#holding.hold(room - before)) return false;
      this.#room = new Uint8Array(this.#room.buffer.transfer(room));
    }
    this.#room.set(part, this.#length);
    this.#length = length;
    return true;
  }

  /** Hands over what is there; it is held no longer. */
  take(): Buffer {
    const { bytes } = this;
    this.#holding.drop(this.#room.length);
    this.#room = nothing();
    this.#length = 0;
    return bytes;
  }

  /** Nobody wants what is there. */
  discard(): void {
    this.#holding.drop(this.#room.length);
    this.#room.buffer.transfer(0);
    this.#room = nothing();
    this.#length = 0;
  }
}
