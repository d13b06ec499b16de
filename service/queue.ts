/** A first-in first-out queue whose `shift` does not move the rest. */
export class Fifo<T> {
  #items: (T | undefined)[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  get first(): T | undefined {
    return this.#items[this.#head];
  }

  push(item: T): void {
    this.#items.push(item);
  }

  shift(): T | undefined {
    const item = this.#items[this.#head];
    if (item === undefined) return undefined;
    this.#items[this.#head++] = undefined;
    if (this.#head === this.#items.length) {
      this.#items.length = 0;
      this.#head = 0;
    } else if (this.#head >= 1024 && this.#head * 2 >= this.#items.length) {
      this.#items.splice(0, this.#head);
      this.#head = 0;
    }
    return item;
  }
}

/**
 * How fast a queue empties, in rows per ms of wall time while it is busy: the model, the sockets and a
 * throttled CPU are all in it. Older batches count less and less.
 */
export class DrainRate {
  #rows = 0;
  #ms = 0;

  record(rows: number, ms: number): void {
    this.#rows = this.#rows * 0.95 + rows;
    this.#ms = this.#ms * 0.95 + ms;
  }

  /** ms until `rows` are through; 0 while nothing is known. */
  wait(rows: number): number {
    return this.#rows === 0 ? 0 : (rows * this.#ms) / this.#rows;
  }
}
