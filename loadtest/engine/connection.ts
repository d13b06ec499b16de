// One user's connection: opened when first needed, kept alive, reopened when the server closed it.
// Bytes go straight between a socket and the parser; nothing in between makes objects per request.
import { connect as connectTcp, isIP, type Socket, type TcpNetConnectOpts } from "node:net";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import { writeNow } from "./direct-write.ts";
import { ResponseParser } from "./response.ts";

/** Where requests go. */
export interface Endpoint {
  /** Name or address, as in the URL; without brackets for IPv6. */
  host: string;
  port: number;
  tls: boolean;
  /** Accept any certificate (`--insecure`). */
  insecure?: boolean;
  /** PEM of certificate authorities to trust instead of Node's own. */
  ca?: string;
  /** An address of the host for the next connection; each of its addresses in turn. */
  address: () => string;
}

/** What a URL says of an endpoint; its host stands for its address. */
export function endpointOf(url: URL): Endpoint {
  const tls = url.protocol === "https:";
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return {
    host,
    port: url.port === "" ? (tls ? 443 : 80) : Number(url.port),
    tls,
    address: () => host,
  };
}

/** Told how each request ends: exactly one of the two for each `send`. */
export interface Receiver {
  /** The whole reply was read; `connection.reply` holds it until the next send. */
  replied(): void;
  /** No whole reply: `failure` says why, in words that group well. */
  broke(failure: string): void;
  /** Whether the beginning of a refusal's body is to be kept, where no body is. */
  wants(status: number): boolean;
}

/** One request at a time to somewhere: a connection, or a test's stand-in for one. */
export interface Line {
  /** The last reply. */
  readonly reply: Pick<ResponseParser, "status" | "bodyBytes" | "body">;
  /** Whether a request is under way. */
  readonly busy: boolean;
  /** Sends one whole request; `capture` keeps the reply's body. */
  send(request: Buffer, ofHead: boolean, capture: boolean): void;
  /** Closes; a request under way gets no answer any more and its receiver is not told. */
  close(): void;
  /** Gives up the request under way and tells its receiver why. */
  fail(failure: string): void;
}

// libuv asks for a buffer, reads into it and calls back before anything else runs, so all
// connections of a process share one: 10,000 users cost no read buffers.
const shared = Buffer.allocUnsafeSlow(256 * 1024);

export class Connection implements Line {
  readonly reply: ResponseParser;
  readonly #endpoint: Endpoint;
  readonly #receiver: Receiver;
  #socket: Socket | undefined;
  #waiting = false;

  constructor(endpoint: Endpoint, receiver: Receiver) {
    this.#endpoint = endpoint;
    this.#receiver = receiver;
    this.reply = new ResponseParser((status) => receiver.wants(status));
  }

  get busy(): boolean {
    return this.#waiting;
  }

  send(request: Buffer, ofHead: boolean, capture: boolean): void {
    this.reply.reset(ofHead, capture);
    this.#waiting = true;
    if (this.#socket === undefined) this.#socket = this.#open();
    // Until it is connected the stream keeps what is written; TLS must go through it always.
    if (this.#endpoint.tls || this.#socket.connecting) this.#socket.write(request);
    else writeNow(this.#socket, request);
  }

  close(): void {
    this.#waiting = false;
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.destroy();
  }

  fail(failure: string): void {
    this.close();
    this.#receiver.broke(failure);
  }

  #open(): Socket {
    const { host, port, tls } = this.#endpoint;
    const address = this.#endpoint.address();
    const onread: TcpNetConnectOpts["onread"] = {
      buffer: shared,
      callback: (length) => {
        if (this.#socket === socket) this.#read(length);
        return true;
      },
    };
    let socket: Socket;
    if (tls) {
      const options: ConnectionOptions & Pick<TcpNetConnectOpts, "onread"> = {
        host: address,
        port,
        onread,
        rejectUnauthorized: this.#endpoint.insecure !== true,
        ALPNProtocols: ["http/1.1"],
      };
      if (isIP(host) === 0) options.servername = host;
      if (this.#endpoint.ca !== undefined) options.ca = this.#endpoint.ca;
      socket = connectTls(options);
    } else {
      socket = connectTcp({ host: address, port, onread, noDelay: true });
    }
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (this.#socket === socket) this.#lost(describe(error));
    });
    socket.on("close", () => {
      if (this.#socket === socket) this.#lost("connection closed before the reply was whole");
    });
    return socket;
  }

  #read(length: number): void {
    if (!this.#waiting) {
      // Nothing was asked for: a server that says 408 and closes. The next send opens anew.
      this.close();
      return;
    }
    const parsed = this.reply.feed(shared, length);
    if (parsed === "more") return;
    if (parsed === "malformed") {
      this.fail(`malformed reply: ${this.reply.problem}`);
      return;
    }
    this.#done();
  }

  #done(): void {
    this.#waiting = false;
    if (!this.reply.keepAlive) this.close();
    this.#receiver.replied();
  }

  /** The socket is gone, by an error or by the server's will. */
  #lost(failure: string): void {
    const waiting = this.#waiting;
    this.close();
    if (!waiting) return;
    if (this.reply.end()) this.#receiver.replied();
    else this.#receiver.broke(failure);
  }
}

/** An error of a socket, without ports and addresses that would make every one different. */
function describe(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case "ECONNREFUSED":
      return "connection refused";
    case "ECONNRESET":
      return "connection reset by the server";
    case "EPIPE":
      return "connection closed while sending";
    case "ETIMEDOUT":
      return "connecting timed out";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "host name not found";
    case "EMFILE":
    case "ENFILE":
      return "generator out of file descriptors";
    case "EADDRNOTAVAIL":
      return "generator out of local ports";
    default:
      return error.code === undefined
        ? error.message
        : `${error.code}: ${error.message}`.slice(0, 200);
  }
}
