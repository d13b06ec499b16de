import type { Body } from "./body.ts";
import { fallsBehind } from "./times.ts";

interface Sender {
  readonly since: number;
  /** Bytes of the whole body, where they are told. */
  readonly declared: number | undefined;
  /** Answers, and reads no more. */
  readonly onTooSlow: () => void;
}

/** Bodies over HTTP/1.1 that are on their way: who falls behind is answered before all of it is there. */
export class Arriving {
  readonly #senders = new Map<Body, Sender>();

  add(body: Body, declared: number | undefined, onTooSlow: () => void): void {
    this.#senders.set(body, { since: performance.now(), declared, onTooSlow });
  }

  /** It is there, or given up. */
  delete(body: Body): void {
    this.#senders.delete(body);
  }

  /** Called every second. */
  sweep(now: number): void {
    for (const [body, { since, declared, onTooSlow }] of this.#senders) {
      if (!fallsBehind(body.length, now - since, declared)) continue;
      this.#senders.delete(body);
      onTooSlow();
    }
  }
}
