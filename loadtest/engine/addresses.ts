// The addresses of a host, looked up now and then instead of at every connection: 10,000 look-ups
// would wait for each other, and be measured as the server's latency.
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";

export class Addresses {
  readonly #host: string;
  #known: string[] = [];
  #turn = 0;

  constructor(host: string) {
    this.#host = host;
  }

  /** Looks the host up. Throws, in plain words, when it has no address. */
  async resolve(): Promise<void> {
    if (isIP(this.#host) !== 0) {
      this.#known = [this.#host];
      return;
    }
    const found = await lookup(this.#host, { all: true, order: "ipv4first" }).catch(() => []);
    // One family: a host that answers on one only would fail every other connection.
    const family = found[0]?.family;
    if (family === undefined) throw new Error(`the host name ${this.#host} is not known here`);
    this.#known = found.filter((one) => one.family === family).map(({ address }) => address);
  }

  /** Each address in turn. */
  next(): string {
    this.#turn = (this.#turn + 1) % this.#known.length;
    return this.#known[this.#turn]!;
  }
}
