import type { Body } from "./body.ts";
import { fallsBehind } from "./times.ts";

interface Sender {
  readonly since: number;
  /** Answers, and reads no more. */
  readonly onTooSlow: () => void;
}

/** Bodies over HTTP/1.1 that are on their way: who falls behind is answered before all of it is there. */
export class Arriving {
  readonly #senders = new Map<Body, Sender>();

  add(body: Body, onTooSlow: () => void): void {
    this.#senders.set(body, { since: performance.now(), onTooSlow });
  }

  /** It is there, or given up. */
  delete(body: Body): void {
    this.#senders.delete(body);
  }

  /** Called every second. */
  sweep(now: number): void {
    for (const [body, { since, onTooSlow }] of this.#senders) {
      if (!fallsBehind(body.length, now - since)) continue;
      this.#senders.delete(body);
      onTooSlow();
    }
  }
}
