/**
 * How many frames a peer may still send that ask for work and carry no request: pings, settings, windows
 * opened, requests that break the rules. There is a stock of them, refilled every second, and more is
 * earned by replies: a gateway has thousands of requests a second, and opens a window for each of them.
 */
export class Allowance {
  readonly #most: number;
  readonly #perSecond: number;
  #left: number;

  constructor(most: number, perSecond: number) {
    this.#most = most;
    this.#perSecond = perSecond;
    this.#left = most;
  }

  get exhausted(): boolean {
    return this.#left < 0;
  }

  spend(): void {
    this.#left--;
  }

  earn(frames: number): void {
    this.#left = Math.min(this.#most, this.#left + frames);
  }

  /** Called every second. */
  refill(): void {
    this.earn(this.#perSecond);
  }
}
