import {
  createConnection,
  createServer,
  type AddressInfo,
  type Server,
  type Socket,
} from "node:net";

/** What the proxy does to what the server answers. */
export type Fault =
  | { readonly kind: "none" }
  /** Connections are reset at once. */
  | { readonly kind: "down" }
  /** Connections are taken and nothing is ever answered. */
  | { readonly kind: "silent" }
  /** Each piece of an answer comes so much later, in ms. */
  | { readonly kind: "slow"; readonly ms: number }
  /** Every request is answered with 500. */
  | { readonly kind: "error" }
  /** An answer longer than so many bytes stops there and the connection stays open. */
  | { readonly kind: "stall"; readonly after: number }
  /** The same, and the connection closes. */
  | { readonly kind: "truncate"; readonly after: number }
  /** The byte at that place of an answer is another. */
  | { readonly kind: "corrupt"; readonly at: number };

export interface FaultProxy {
  readonly url: string;
  fault: Fault;
  /** Connections taken since the start. */
  readonly connections: number;
  /** Answers that the present fault has spoilt. */
  readonly spoilt: number;
  close(): Promise<void>;
}

/** A TCP proxy on loopback before `host`:`port` that does to answers what its `fault` says. */
export async function faultProxy(host: string, port: number): Promise<FaultProxy> {
  const sockets = new Set<Socket>();
  const state = { fault: { kind: "none" } as Fault, connections: 0, spoilt: 0 };
  const server: Server = createServer((near) => {
    state.connections++;
    const { fault } = state;
    keep(near);
    let touched = false;
    /** Once for an answer. */
    const spoil = (): void => {
      if (!touched) state.spoilt++;
      touched = true;
    };
    if (fault.kind === "down") {
      spoil();
      near.resetAndDestroy();
      return;
    }
    if (fault.kind === "silent") {
      near.once("data", spoil).resume();
      return;
    }
    if (fault.kind === "error") {
      near.once("data", () => {
        spoil();
        near.end("HTTP/1.1 500 Internal Server Error\r\ncontent-length: 4\r\n\r\noops");
      });
      return;
    }
    const far = createConnection(port, host);
    keep(far);
    near.pipe(far);
    near.once("close", () => far.destroy());
    far.once("close", () => {
      if (fault.kind !== "stall") near.end();
    });
    let passed = 0;
    far.on("data", (piece) => {
      const start = passed;
      passed += piece.length;
      switch (fault.kind) {
        case "slow":
          spoil();
          setTimeout(() => near.write(piece), fault.ms);
          return;
        case "corrupt": {
          const place = fault.at - start;
          const changed = Buffer.from(piece);
          const byte = changed[place];
          if (byte !== undefined) {
            changed[place] = byte ^ 0xff;
            spoil();
          }
          near.write(changed);
          return;
        }
        case "stall":
        case "truncate":
          if (passed > fault.after) spoil();
          if (start < fault.after) near.write(piece.subarray(0, fault.after - start));
          if (fault.kind === "truncate" && passed > fault.after) far.destroy();
          return;
        default:
          near.write(piece);
      }
    });
  });
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => sockets.delete(socket));
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get fault() {
      return state.fault;
    },
    set fault(fault) {
      state.fault = fault;
      state.spoilt = 0;
      // What is under way meets the new fault on its next connection.
      for (const socket of sockets) socket.destroy();
    },
    get connections() {
      return state.connections;
    },
    get spoilt() {
      return state.spoilt;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
