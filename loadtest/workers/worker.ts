// A worker: joins its master, does as it is told, and joins again when the master was away.
import { connect } from "node:net";
import { hostname } from "node:os";
import { EngineHost } from "../engine/host.ts";
import { newNonce, proofOf, readLines, sameProof, send, type ToWorker } from "./wire.ts";

export interface WorkerOptions {
  /** "host:port" of the master. */
  master: string;
  secret: string;
  log: (text: string) => void;
  /** Ends the worker. */
  signal?: AbortSignal;
  name?: string;
}

const aliveMs = 1000;
const retryMs = { least: 200, most: 2000 };

/** Works until `signal` says to end; never gives up on its master. */
export async function work(options: WorkerOptions): Promise<void> {
  let wait = retryMs.least;
  let complaint = "";
  while (options.signal?.aborted !== true) {
    const { joined, why } = await serve(options);
    wait = joined ? retryMs.least : Math.min(wait * 2, retryMs.most);
    // The same trouble is said once, not at every attempt.
    if (joined || why !== complaint) options.log(`${why}; trying ${options.master} again`);
    complaint = why;
    await new Promise((resolve) => setTimeout(resolve, wait * (0.75 + Math.random() / 2)));
  }
}

/** One connection from beginning to end. */
function serve({
  master,
  secret,
  log,
  signal,
  name,
}: WorkerOptions): Promise<{ joined: boolean; why: string }> {
  const colon = master.lastIndexOf(":");
  const host = master.slice(0, colon).replace(/^\[|\]$/g, "");
  const socket = connect({
    host,
    port: Number(master.slice(colon + 1)),
    noDelay: true,
    timeout: 5000,
  });
  const mine = newNonce();
  let theirs = "";
  let joined = false;
  let why = "the master closed the connection";
  const engine = new EngineHost((report) => {
    send(socket, { type: "report", report });
  });
  const alive = setInterval(() => {
    if (joined) send(socket, { type: "alive", memory: process.memoryUsage.rss() });
  }, aliveMs);
  const abort = (): void => {
    socket.destroy();
  };
  signal?.addEventListener("abort", abort);
  // A stranger in the master's place may not keep a worker waiting for its proof.
  socket.on("timeout", () => {
    if (!joined) {
      why = "the master did not answer";
      socket.destroy();
    }
  });
  readLines(
    socket,
    () => (joined ? 256 * 1024 * 1024 : 1024),
    (line) => {
      const message = line as ToWorker;
      if (message.type === "challenge" && theirs === "") {
        theirs = message.nonce;
        const proof = proofOf(secret, "worker", theirs, mine);
        send(socket, { type: "hello", name: name ?? hostname(), nonce: mine, proof });
      } else if (message.type === "welcome" && !joined) {
        if (!sameProof(message.proof, proofOf(secret, "master", theirs, mine))) {
          why = "the master does not know the shared secret";
          socket.destroy();
          return;
        }
        joined = true;
        socket.setTimeout(0);
        log(`joined ${master} as ${message.id}`);
      } else if (message.type === "command" && joined) engine.do(message.command);
    },
  );
  return new Promise((resolve) => {
    socket.on("error", (error) => {
      why = error.message;
    });
    socket.on("close", () => {
      clearInterval(alive);
      signal?.removeEventListener("abort", abort);
      // Without a master nobody could stop this load.
      engine.abandon();
      resolve({ joined, why });
    });
  });
}
