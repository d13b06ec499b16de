/**
 * One account, for a process, of the bytes that others make it hold: bodies that are on their way, what
 * they become while they wait for the model, replies that nobody has taken yet, over both protocols. What
 * does not fit is refused or ends its connection; so no number of callers makes a process larger than it
 * may be. Connections and their headers have a limit of their own, `maxConnections` in sizing.ts.
 */
export class Budget {
  readonly #most: number;
  /** Bytes that a single request may become; more is refused whatever else is held. */
  readonly mostOfOne: number;
  #held = 0;
  #admitted = 0;

  /** Both in bytes; see `outsideBytes` and `requestBytes` in sizing.ts. */
  constructor(most: number, mostOfOne = most) {
    this.#most = most;
    this.mostOfOne = mostOfOne;
  }

  /** Bytes held now. */
  get held(): number {
    return this.#held;
  }

  get most(): number {
    return this.#most;
  }

  /**
   * Whether `bytes` more fit that nobody can do anything with yet, or any more: a part of a body, of a
   * reply. They are held then, until they are given back. A quarter of the account is left for requests
   * that are there, so that those who never finish do not turn away those who do.
   */
  take(bytes: number): boolean {
    if (this.#held + bytes > this.#most * FOR_UNFINISHED) return false;
    this.#held += bytes;
    return true;
  }

  give(bytes: number): void {
    this.#held -= bytes;
  }

  /**
   * Whether a whole request fits, by what it takes until it is answered. One is always let in, as large as
   * one may be: every replica has memory for that.
   */
  admit(bytes: number): boolean {
    if (this.#admitted > 0 && this.#held + bytes > this.#most) return false;
    this.#admitted++;
    this.#held += bytes;
    return true;
  }

  dismiss(bytes: number): void {
    this.#admitted--;
    this.#held -= bytes;
  }
}

const FOR_UNFINISHED = 0.75;
