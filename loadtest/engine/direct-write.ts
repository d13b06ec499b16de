// Writing to a connected TCP socket without the stream around it. A request is small and leaves
// whole in one system call, which needs none of what a Writable keeps for each write. Where this
// Node has not got what it takes, the stream's own `write` does the same for a little more CPU.
import type { Socket } from "node:net";

interface Handle {
  /** 0, or a negative error number. */
  writeBuffer: (request: object, bytes: Buffer) => number;
}

interface WriteRequest {
  oncomplete?: () => void;
  bytes?: Buffer;
}

/** What Node's own streams write with. */
interface Internals {
  WriteWrap: new () => WriteRequest;
  streamBaseState: ArrayLike<number>;
  kLastWriteWasAsync: number;
}

function findInternals(): Internals | undefined {
  try {
    const { binding } = process as unknown as { binding: (name: string) => Partial<Internals> };
    const { WriteWrap, streamBaseState, kLastWriteWasAsync } = binding("stream_wrap");
    return WriteWrap === undefined ||
      streamBaseState === undefined ||
      kLastWriteWasAsync === undefined
      ? undefined
      : { WriteWrap, streamBaseState, kLastWriteWasAsync };
  } catch {
    return undefined;
  }
}

const internals = findInternals();
// A write that is done when the call returns has not used its request object.
let spare = internals === undefined ? undefined : new internals.WriteWrap();

/**
 * Writes `bytes`, and queues what the kernel does not take at once. The socket must be connected and
 * have nothing queued in its stream; errors come as its `error` event.
 */
export function writeNow(socket: Socket, bytes: Buffer): void {
  const { _handle: handle } = socket as unknown as { _handle?: Partial<Handle> | null };
  if (internals === undefined || spare === undefined || handle?.writeBuffer === undefined) {
    socket.write(bytes);
  } else if (handle.writeBuffer(spare, bytes) !== 0) {
    // The stream meets the same error, and knows how to tell it.
    socket.write(bytes);
  } else if (internals.streamBaseState[internals.kLastWriteWasAsync] !== 0) {
    // The request object, and the bytes, are libuv's until it calls back.
    spare.bytes = bytes;
    spare.oncomplete = () => undefined;
    spare = new internals.WriteWrap();
  }
}
