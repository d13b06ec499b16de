import type { Budget } from "./budget.ts";
import { Gathering, Holding } from "./gathering.ts";

/**
 * Each part costs a process as much work as hundreds of bytes do. After so many parts, they have to have
 * so many bytes on average.
 */
const MANY_PARTS = 1000;
const LEAST_PART_BYTES = 16;

/** A body that comes in parts, counted among what the process holds until it is released. */
export class Body {
  readonly #bytes: Gathering;
  #parts = 0;
  #released = false;

  constructor(budget: Budget) {
    this.#bytes = new Gathering(new Holding(budget));
  }

  /** Bytes that have come. */
  get length(): number {
    return this.#bytes.length;
  }

  /** It comes in crumbs: what is still to come would cost more than it is worth to read. */
  get crumbles(): boolean {
    return this.#parts > MANY_PARTS && this.length < this.#parts * LEAST_PART_BYTES;
  }

  /** Takes a copy of the next part; false where there is no room for it, and nothing more is to be added. */
  add(part: Uint8Array): boolean {
    this.#parts++;
    return !this.#released && this.#bytes.add(part);
  }

  /** All of it, until it is released. */
  whole(): Buffer {
    return this.#bytes.bytes;
  }

  /** It counts no longer, and nothing of it is there any more. */
  release(): void {
    this.#released = true;
    this.#bytes.discard();
  }
}
