import { ConnectionError } from "./errors.ts";
import { ERROR, FLAG, FRAME, HEAD_BYTES, MAX_FRAME_BYTES } from "./frame.ts";
import { Gathering, type Holding } from "../gathering.ts";

export type OnFrame = (type: number, flags: number, stream: number, payload: Buffer) => void;

/**
 * Cuts what comes of a connection into frames. Data is passed on as it comes, as frames of its own, and
 * kept nowhere else than in the body that it belongs to; of other frames the beginning is kept until the
 * end is there.
 */
export class FrameReader {
  readonly #onFrame: OnFrame;
  /** The beginning of a frame whose end has not come. */
  readonly #begun: Gathering;
  /** Bytes that are still to come of a frame of data, its flags and its stream. */
  #left = 0;
  #flags = 0;
  #stream = 0;

  constructor(holding: Holding, onFrame: OnFrame) {
    this.#onFrame = onFrame;
    this.#begun = new Gathering(holding);
  }

  /** @throws ConnectionError */
  read(chunk: Buffer): void {
    for (let at = 0; at < chunk.length;) {
      if (this.#left > 0) at += this.#passData(chunk, at);
      else if (this.#begun.length > 0) at += this.#goOn(chunk, at);
      else if (chunk.length - at < HEAD_BYTES) {
        this.#keep(chunk.subarray(at));
        return;
      } else {
        const end = at + HEAD_BYTES + lengthOf(chunk, at);
        if (end <= chunk.length) {
          this.#deliver(chunk, at, end);
          at = end;
        } else if (isPlainData(chunk, at)) {
          this.#beginData(chunk, at);
          at += HEAD_BYTES;
        } else {
          this.#keep(chunk.subarray(at));
          return;
        }
      }
    }
  }

  /** Goes on with a frame that was begun. @returns how many bytes it took of the chunk */
  #goOn(chunk: Buffer, at: number): number {
    const begun = this.#begun;
    // The head first: it says how long the frame is.
    const wanted = begun.length < HEAD_BYTES ? HEAD_BYTES : HEAD_BYTES + lengthOf(begun.bytes, 0);
    const part = chunk.subarray(at, at + wanted - begun.length);
    this.#keep(part);
    if (begun.length === wanted) {
      const { bytes } = begun;
      const length = lengthOf(bytes, 0);
      if (wanted === HEAD_BYTES + length) this.#deliver(begun.take(), 0, wanted);
      else if (isPlainData(bytes, 0)) this.#beginData(begun.take(), 0);
    }
    return part.length;
  }

  #beginData(bytes: Buffer, at: number): void {
    this.#left = lengthOf(bytes, at);
    this.#flags = bytes[at + 4] ?? 0;
    this.#stream = streamOf(bytes, at);
  }

  #passData(chunk: Buffer, at: number): number {
    const part = chunk.subarray(at, at + this.#left);
    this.#left -= part.length;
    const flags = this.#left === 0 ? this.#flags : this.#flags & ~FLAG.endStream;
    this.#onFrame(FRAME.data, flags, this.#stream, part);
    return part.length;
  }

  #keep(part: Buffer): void {
    if (!this.#begun.add(part)) throw new ConnectionError(ERROR.enhanceYourCalm, "no memory left");
  }

  #deliver(bytes: Buffer, at: number, end: number): void {
    const payload = bytes.subarray(at + HEAD_BYTES, end);
    this.#onFrame(bytes[at + 3] ?? 0, bytes[at + 4] ?? 0, streamOf(bytes, at), payload);
  }
}

const streamOf = (bytes: Buffer, at: number): number => bytes.readUInt32BE(at + 5) & 0x7fffffff;

/** Padding is told of at the beginning, and ends at the end. */
const isPlainData = (bytes: Buffer, at: number): boolean =>
  bytes[at + 3] === FRAME.data && ((bytes[at + 4] ?? 0) & FLAG.padded) === 0;

/** Bytes of the payload of the frame whose head is at `at`. @throws ConnectionError */
function lengthOf(bytes: Buffer, at: number): number {
  const length = bytes.readUIntBE(at, 3);
  if (length > MAX_FRAME_BYTES) {
    throw new ConnectionError(ERROR.frameSize, `a frame of ${length} bytes`);
  }
  return length;
}
