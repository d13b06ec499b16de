/**
 * One account, for a process, of the bytes that others make it hold: headers and bodies that are on their
 * way, bodies that wait for the model, replies that nobody has taken yet, over both protocols. What does
 * not fit is refused or ends its connection; so no number of callers makes a process larger than it may be.
 */
export class Budget {
  readonly #most: number;
  #held = 0;

  /** @param most bytes; see `outsideBytes` in sizing.ts */
  constructor(most: number) {
    this.#most = most;
  }

  /** Bytes held now. */
  get held(): number {
    return this.#held;
  }

  get most(): number {
    return this.#most;
  }

  /** Whether `bytes` more fit; they are held then, until they are given back. */
  take(bytes: number): boolean {
    if (this.#held + bytes > this.#most) return false;
    this.#held += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#held -= bytes;
  }
}
