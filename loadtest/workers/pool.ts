// The master's side of its workers: who has joined, who is still there.
import { createServer, type Server, type Socket } from "node:net";
import { z } from "zod";
import type { Command, Report } from "../engine/host.ts";
import type { WorkerRow } from "../events.ts";
import type { WorkerPort } from "../run.ts";
import { newNonce, proofOf, readLines, sameProof, send, type ToMaster } from "./wire.ts";

export interface PoolOptions {
  secret: string;
  host: string;
  port: number;
  joined: (worker: WorkerPort) => void;
  lost: (id: string) => void;
  reported: (id: string, report: Report) => void;
  log: (text: string) => void;
}

/** A worker that has said nothing for so long is lost. */
const silenceMs = 5000;
const handshakeMs = 5000;
const maxWorkers = 1024;

const hello = z.strictObject({
  type: z.literal("hello"),
  name: z.string().regex(/^[\w.-]{1,64}$/),
  nonce: z.string().min(16).max(128),
  proof: z.string().max(128),
});

interface Member extends WorkerPort {
  socket: Socket;
  heardAt: number;
  memory: number;
}

export class WorkerPool {
  readonly #options: PoolOptions;
  readonly #members = new Map<string, Member>();
  readonly #server: Server;
  readonly #watch: NodeJS.Timeout;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#server = createServer((socket) => {
      this.#welcome(socket);
    });
    this.#watch = setInterval(() => {
      const deadline = performance.now() - silenceMs;
      for (const member of this.#members.values()) {
        if (member.heardAt < deadline) member.socket.destroy();
      }
    }, 500);
  }

  /** Opens the port; the number it got. */
  async listen(): Promise<number> {
    const { host, port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject).listen({ host, port }, resolve);
    });
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : port;
  }

  close(): void {
    clearInterval(this.#watch);
    this.#server.close();
    for (const { socket } of this.#members.values()) socket.destroy();
  }

  get workers(): WorkerPort[] {
    return [...this.#members.values()];
  }

  /** Workers as they are while no run goes on. */
  rows(): WorkerRow[] {
    return [...this.#members.values()].map(({ id, memory }) => ({
      id,
      state: "ready",
      users: 0,
      cpu: 0,
      lagMs: 0,
      memory,
    }));
  }

  #welcome(socket: Socket): void {
    if (this.#members.size >= maxWorkers) {
      socket.destroy();
      return;
    }
    socket.setNoDelay(true);
    const nonce = newNonce();
    let member: Member | undefined;
    const handshake = setTimeout(() => {
      socket.destroy();
    }, handshakeMs);
    socket.on("error", () => undefined);
    socket.on("close", () => {
      clearTimeout(handshake);
      if (member === undefined) return;
      this.#members.delete(member.id);
      this.#options.log(`worker ${member.id} is gone`);
      this.#options.lost(member.id);
    });
    // A stranger may say little; a worker's report holds whole histograms.
    readLines(
      socket,
      () => (member === undefined ? 1024 : 64 * 1024 * 1024),
      (message) => {
        if (member === undefined) {
          member = this.#admit(socket, nonce, message);
          clearTimeout(handshake);
        } else this.#hear(member, message as ToMaster);
      },
    );
    send(socket, { type: "challenge", nonce });
  }

  #admit(socket: Socket, nonce: string, message: unknown): Member | undefined {
    const { secret } = this.#options;
    const parsed = hello.safeParse(message);
    if (
      !parsed.success ||
      !sameProof(parsed.data.proof, proofOf(secret, "worker", nonce, parsed.data.nonce))
    ) {
      this.#options.log(
        `a connection from ${socket.remoteAddress ?? "?"} did not know the shared secret`,
      );
      socket.destroy();
      return undefined;
    }
    const { name, nonce: theirs } = parsed.data;
    let id = name;
    for (let i = 2; this.#members.has(id); i += 1) id = `${name}-${i}`;
    const member: Member = {
      id,
      socket,
      heardAt: performance.now(),
      memory: 0,
      tell: (command: Command) => {
        send(socket, { type: "command", command });
      },
    };
    this.#members.set(id, member);
    send(socket, { type: "welcome", id, proof: proofOf(secret, "master", nonce, theirs) });
    this.#options.log(`worker ${id} joined`);
    this.#options.joined(member);
    return member;
  }

  #hear(member: Member, message: ToMaster): void {
    member.heardAt = performance.now();
    if (message.type === "alive") member.memory = message.memory;
    else if (message.type === "report") this.#options.reported(member.id, message.report);
  }
}
