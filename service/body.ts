import type { Budget } from "./budget.ts";

/** Bytes for the first part of a body; it grows to twice as many whenever it has to. */
const FIRST_BYTES = 4096;
/**
 * Each part costs a process as much work as hundreds of bytes do. After so many parts, they have to have
 * so many bytes on average.
 */
const MANY_PARTS = 1000;
const LEAST_PART_BYTES = 16;

/**
 * A body that comes in parts: gathered in one piece of memory that grows, so that it costs what it is
 * long, in however many parts it comes, and counted among what the process holds.
 */
export class Body {
  readonly #budget: Budget;
  #bytes = new Uint8Array(0);
  #length = 0;
  #parts = 0;
  #released = false;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  /** Bytes that have come. */
  get length(): number {
    return this.#length;
  }

  /** It comes in crumbs: what is still to come would cost more than it is worth to read. */
  get crumbles(): boolean {
    return this.#parts > MANY_PARTS && this.#length < this.#parts * LEAST_PART_BYTES;
  }

  /** Takes a copy of the next part; false where there is no room for it, and nothing more is to be added. */
  add(part: Uint8Array): boolean {
    if (this.#released) return false;
    this.#parts++;
    const length = this.#length + part.length;
    if (length > this.#bytes.length) {
      const room = Math.max(FIRST_BYTES, length, 2 * this.#bytes.length);
      if (!this.#budget.take(room - this.#bytes.length)) return false;
      // What it was in before is free at once, and not only when garbage is collected.
      this.#bytes = new Uint8Array(this.#bytes.buffer.transfer(room));
    }
    this.#bytes.set(part, this.#length);
    this.#length = length;
    return true;
  }

  /** All of it; it counts until it is released. */
  whole(): Buffer {
    return Buffer.from(this.#bytes.buffer, 0, this.#length);
  }

  /** It counts no longer; whoever has it whole may go on reading it. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#budget.give(this.#bytes.length);
  }
}
