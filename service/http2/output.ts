import type { Socket } from "node:net";
import type { Holding } from "../gathering.ts";

/** Bytes that wait for a peer which does not read; then nothing more of it is read, and no more is put here. */
const MOST_WAITING = 256 * 1024;

/** What goes out. All that is put here in one turn of the event loop is one write. */
export class Output {
  readonly #socket: Socket;
  /** What the socket keeps because the peer does not read. */
  readonly #holding: Holding;
  #queue: Buffer[] = [];
  #queued = 0;
  #scheduled = false;
  /** Called when there is room again. */
  onRoom: () => void = () => undefined;

  constructor(socket: Socket, holding: Holding) {
    this.#socket = socket;
    this.#holding = holding;
    socket.on("drain", () => {
      this.#account();
      socket.resume();
      this.onRoom();
    });
  }

  get full(): boolean {
    return this.#queued + this.#socket.writableLength > MOST_WAITING;
  }

  /** Nothing can be written any more. */
  get ended(): boolean {
    return this.#socket.writableEnded || this.#socket.destroyed;
  }

  write(bytes: Buffer): void {
    if (this.ended) return;
    this.#queue.push(bytes);
    this.#queued += bytes.length;
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.flush();
      if (!this.full) this.onRoom();
    });
  }

  flush(): void {
    this.#scheduled = false;
    const queue = this.#queue;
    if (queue.length === 0 || this.ended) return;
    this.#queue = [];
    this.#queued = 0;
    const [only] = queue;
    this.#socket.write(queue.length === 1 && only ? only : Buffer.concat(queue));
    this.#account();
    if (this.full) this.#socket.pause();
  }

  /** What the peer does not read is held; a connection for which there is no room ends. */
  #account(): void {
    const { held } = this.#holding;
    const waiting = this.#socket.writableLength;
    if (waiting < held) this.#holding.drop(held - waiting);
    else if (waiting > held && !this.#holding.hold(waiting - held)) this.#socket.destroy();
  }
}
