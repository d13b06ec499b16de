import type { Readable } from "node:stream";
import { RegistryError, reasonOf } from "./registry-error.ts";

/**
 * What `stream` yields, as long as it keeps coming: it is destroyed, and RegistryError thrown, when
 * `who` sends nothing for `stallTimeoutMs`, breaks off, or `signal` aborts.
 */
export async function* steadily<T = Buffer>(
  stream: Readable,
  who: string,
  stallTimeoutMs: number,
  signal: AbortSignal,
): AsyncGenerator<T> {
  const abort = (): void => {
    stream.destroy(new Error("given up"));
  };
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  const timer = setTimeout(() => {
    stream.destroy(new Error(`nothing came for ${stallTimeoutMs / 1000} s`));
  }, stallTimeoutMs);
  try {
    for await (const chunk of stream as AsyncIterable<T>) {
      timer.refresh();
      yield chunk;
    }
  } catch (cause) {
    if (cause instanceof RegistryError) throw cause;
    throw new RegistryError(`${who} broke off: ${reasonOf(cause)}`, { cause });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
    stream.destroy();
  }
}
