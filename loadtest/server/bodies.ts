// Bodies of requests, all in one account: what does not fit is refused before a byte of it is read, and
// what is read is counted until its request is answered. So no number of callers makes the master larger
// than its container, and none of them is read who had no business to send one.
import { UserError } from "../units.ts";

/** A request that is refused by its form, whatever it asks for. */
export class Refused extends UserError {
  readonly status: 400 | 403 | 413 | 503;

  constructor(status: Refused["status"], message: string) {
    super(message);
    this.status = status;
  }
}

export class Bodies {
  readonly #most: number;
  #held = 0;

  /** @param most bytes of all bodies at once */
  constructor(most: number) {
    this.#most = most;
  }

  /** Bytes that are held, or may be by what is being read. */
  get held(): number {
    return this.#held;
  }

  /**
   * Reads a body, hands it to `use`, and has room for it until that is done.
   * @param most bytes of this one
   * @throws Refused where it is too large, there is no room for it now, or it ends early
   */
  async with<T>(request: Request, most: number, use: (body: Buffer) => Promise<T>): Promise<T> {
    const length = request.headers.get("content-length");
    const chunked = request.headers.has("transfer-encoding");
    if (!chunked && length === null) return use(Buffer.alloc(0));
    // Who does not say how much it is may come to send as much as is allowed.
    const bytes = chunked ? most : Number(length);
    if (!(bytes <= most)) throw tooLarge(most);
    if (this.#held + bytes > this.#most) {
      throw new Refused(503, "The load test has too many large requests to read; try again.");
    }
    this.#held += bytes;
    try {
      return await use(await read(request, most));
    } finally {
      this.#held -= bytes;
    }
  }
}

const tooLarge = (most: number): Refused =>
  new Refused(413, `The body is too large: at most ${most.toLocaleString("en")} bytes are taken.`);

async function read({ body }: Request, most: number): Promise<Buffer> {
  if (body === null) return Buffer.alloc(0);
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of body as ReadableStream<Uint8Array>) {
      size += chunk.length;
      if (size > most) throw tooLarge(most);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof Refused) throw error;
    throw new Refused(400, "The body ended early.");
  }
  return Buffer.concat(chunks);
}
