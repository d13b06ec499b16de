import { ConnectionError } from "./errors.ts";
import { ERROR, HEAD_BYTES, MAX_FRAME_BYTES } from "./frame.ts";
import { Gathering, type Holding } from "./memory.ts";

export type OnFrame = (type: number, flags: number, stream: number, payload: Buffer) => void;

/** Cuts what comes of a connection into frames. */
export class FrameReader {
  readonly #onFrame: OnFrame;
  /** The beginning of a frame whose end has not come. */
  readonly #begun: Gathering;

  constructor(holding: Holding, onFrame: OnFrame) {
    this.#onFrame = onFrame;
    this.#begun = new Gathering(holding);
  }

  /** @throws ConnectionError */
  read(chunk: Buffer): void {
    let at = this.#finishBegun(chunk);
    while (chunk.length - at >= HEAD_BYTES) {
      const end = endOf(chunk, at);
      if (end > chunk.length) break;
      this.#deliver(chunk, at, end);
      at = end;
    }
    if (at < chunk.length) this.#keep(chunk.subarray(at));
  }

  /** @returns how much of the chunk it took */
  #finishBegun(chunk: Buffer): number {
    const begun = this.#begun;
    let at = 0;
    while (begun.length > 0) {
      // The head first: it says how long the frame is.
      const wanted = begun.length < HEAD_BYTES ? HEAD_BYTES : endOf(begun.bytes, 0);
      const part = chunk.subarray(at, at + wanted - begun.length);
      this.#keep(part);
      at += part.length;
      if (begun.length < wanted) break;
      const end = endOf(begun.bytes, 0);
      if (begun.length === end) this.#deliver(begun.take(), 0, end);
    }
    return at;
  }

  #keep(part: Buffer): void {
    if (!this.#begun.add(part)) throw new ConnectionError(ERROR.enhanceYourCalm, "no memory left");
  }

  #deliver(bytes: Buffer, at: number, end: number): void {
    const stream = bytes.readUInt32BE(at + 5) & 0x7fffffff;
    const payload = bytes.subarray(at + HEAD_BYTES, end);
    this.#onFrame(bytes[at + 3] ?? 0, bytes[at + 4] ?? 0, stream, payload);
  }
}

/** Where the frame ends whose head is at `at`. */
function endOf(bytes: Buffer, at: number): number {
  const length = bytes.readUIntBE(at, 3);
  if (length > MAX_FRAME_BYTES) {
    throw new ConnectionError(ERROR.frameSize, `a frame of ${length} bytes`);
  }
  return at + HEAD_BYTES + length;
}
