import type { Budget } from "../budget.ts";

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

const FIRST_BYTES = 256;
const EMPTY = Buffer.alloc(0);

/**
 * Bytes that come in pieces, in one buffer that grows. What it costs follows the bytes, in however small
 * pieces they come, and none of what the pieces were cut from lives on.
 */
export class Gathering {
  readonly #holding: Holding;
  #buffer: Buffer = EMPTY;
  #length = 0;

  constructor(holding: Holding) {
    this.#holding = holding;
  }

  get length(): number {
    return this.#length;
  }

  /** What is there, valid until more is added. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** @returns whether the budget had room for it */
  add(part: Buffer): boolean {
    const length = this.#length + part.length;
    const old = this.#buffer;
    if (length > old.length) {
      const capacity = Math.max(length, 2 * old.length, FIRST_BYTES);
      if (!this.#holding.hold(capacity - old.length)) return false;
      this.#buffer = Buffer.allocUnsafeSlow(capacity);
      this.#buffer.set(old.subarray(0, this.#length));
    }
    this.#buffer.set(part, this.#length);
    this.#length = length;
    return true;
  }

  /** Hands over what is there; it is held no longer. */
  take(): Buffer {
    const { bytes } = this;
    this.#holding.drop(this.#buffer.length);
    this.#buffer = EMPTY;
    this.#length = 0;
    return bytes;
  }
}
