// The closed loop: each user sends, waits for the whole reply, thinks, and sends again, over a
// connection of its own. Latency runs from the moment a request is handed to the socket (opening
// a connection included, when one is needed) to the last byte of the reply.
import { Lane, type Work } from "./lane.ts";
import { thinkMs } from "./think.ts";
import { Wheel, type Waiter } from "./wheel.ts";

export class Crowd {
  readonly #work: Work;
  readonly #users: User[] = [];
  /** Who left while a request was under way, until it ends. */
  readonly #leaving = new Set<User>();
  readonly #wheel: Wheel<User>;
  #numbered = 0;
  #stopped = false;
  #target = 0;
  #perSecond = 0;
  #from = 0;
  #since = 0;

  constructor(work: Work) {
    this.#work = work;
    this.#wheel = new Wheel(work.clock.now());
  }

  get users(): number {
    return this.#users.length;
  }

  /** Goes to `users`, up or down by so many each second, evenly within the second. */
  setTarget(users: number, perSecond: number): void {
    this.#target = users;
    this.#perSecond = perSecond;
    this.#from = this.#users.length;
    this.#since = this.#work.clock.now();
  }

  /** To be called about every millisecond. */
  turn(now: number): void {
    if (!this.#stopped && this.#users.length !== this.#target) this.#spawn(now);
    this.#wheel.turn(now, (user) => {
      user.wake(now);
    });
  }

  /** Gives up requests that have taken too long; to be called a few times a second. */
  sweep(now: number): void {
    for (const user of this.#users) user.expire(now);
    for (const user of this.#leaving) user.expire(now);
  }

  /** No request starts from now on; those under way go on. */
  stop(): void {
    this.#stopped = true;
    for (const user of this.#users) user.leave();
  }

  close(): void {
    this.stop();
    for (const user of [...this.#users, ...this.#leaving]) user.close();
    this.#users.length = 0;
    this.#leaving.clear();
  }

  #spawn(now: number): void {
    const moved = Math.floor(((now - this.#since) / 1000) * this.#perSecond) + 1;
    const up = Math.min(this.#target, this.#from + moved);
    while (this.#users.length < this.#target && this.#users.length < up) {
      const user = new User(this.#work, this.#numbered++, this.#wheel, (one) => {
        this.#leaving.delete(one);
      });
      this.#users.push(user);
      user.wake(now);
    }
    const down = Math.max(this.#target, this.#from - moved);
    while (this.#users.length > this.#target && this.#users.length > down) {
      const user = this.#users.pop()!;
      if (user.busy) this.#leaving.add(user);
      user.leave();
    }
  }
}

class User extends Lane implements Waiter {
  due = 0;
  nextInSlot: Waiter | undefined = undefined;
  #leaves = false;
  readonly #wheel: Wheel<User>;
  readonly #left: (user: User) => void;

  constructor(work: Work, number: number, wheel: Wheel<User>, left: (user: User) => void) {
    super(work, number);
    this.#wheel = wheel;
    this.#left = left;
  }

  /** No further request; the connection closes when the one under way ends. */
  leave(): void {
    this.#leaves = true;
    if (!this.busy) this.close();
  }

  /** The think time is over, or the user is new. */
  wake(now: number): void {
    if (this.#leaves) return;
    const { work } = this;
    if (this.due > 0) work.lag.record((now - this.due) * 1000);
    // Many may wake in one turn: each takes the time of its own sending.
    this.#next(work.clock.now());
  }

  #next(now: number): void {
    if (!this.send(now, now)) this.#wheel.add(this, now + 1000);
  }

  protected ended(now: number, whole: boolean): void {
    if (this.#leaves) {
      this.close();
      this.#left(this);
      return;
    }
    const { work } = this;
    const think = thinkMs(work.plan.thinkTime, work.clock.random, now - this.sentAt);
    // After a failure at least a moment: a server that refuses must not be asked in a tight loop.
    if (!whole) this.#wheel.add(this, now + Math.max(1, think));
    else if (think > 0) this.#wheel.add(this, now + think);
    else this.#next(now);
  }
}
