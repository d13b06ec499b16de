// A timer wheel with slots of one millisecond. 10,000 thinking users cost a linked list each
// millisecond instead of 10,000 timers; entries link themselves, so setting one allocates nothing.

/** Something that can wait in a wheel; the wheel owns these two fields. */
export interface Waiter {
  /** When to wake, in ms of the clock the wheel is turned by. */
  due: number;
  nextInSlot: Waiter | undefined;
}

const slotCount = 4096;

export class Wheel<T extends Waiter> {
  readonly #slots = new Array<Waiter | undefined>(slotCount).fill(undefined);
  #turned: number;
  size = 0;

  constructor(now: number) {
    this.#turned = Math.floor(now);
  }

  /** Wakes `waiter` at the first turn at or after `due`. It must not be waiting already. */
  add(waiter: T, due: number): void {
    waiter.due = due;
    // A time already passed goes into the next slot to be looked at.
    const slot = Math.max(Math.ceil(due), this.#turned + 1) % slotCount;
    waiter.nextInSlot = this.#slots[slot];
    this.#slots[slot] = waiter;
    this.size += 1;
  }

  /** Takes out everything due by `now` and hands it to `wake`, which may add again. */
  turn(now: number, wake: (waiter: T) => void): void {
    const until = Math.floor(now);
    const from = Math.max(this.#turned + 1, until - slotCount + 1);
    for (let tick = from; tick <= until; tick += 1) {
      this.#turned = tick;
      const slot = tick % slotCount;
      let waiter = this.#slots[slot];
      this.#slots[slot] = undefined;
      while (waiter !== undefined) {
        const next: Waiter | undefined = waiter.nextInSlot;
        if (waiter.due <= now) {
          waiter.nextInSlot = undefined;
          this.size -= 1;
          wake(waiter as T);
        } else {
          // A later round of the wheel.
          waiter.nextInSlot = this.#slots[slot];
          this.#slots[slot] = waiter;
        }
        waiter = next;
      }
    }
    this.#turned = Math.max(this.#turned, until);
  }
}
