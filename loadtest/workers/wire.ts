// The line between a master and its workers: JSON, one message a line, after both have proved that
// they know the shared secret. The secret itself never crosses, and neither side can pass on the
// other's proof: each is bound to both nonces and to who speaks.
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import type { Socket } from "node:net";
import type { Command, Report } from "../engine/host.ts";

export type ToWorker =
  | { type: "challenge"; nonce: string }
  | { type: "welcome"; proof: string; id: string }
  | { type: "command"; command: Command };

export type ToMaster =
  | { type: "hello"; name: string; nonce: string; proof: string }
  | { type: "alive"; memory: number }
  | { type: "report"; report: Report };

export const newNonce = (): string => randomBytes(24).toString("base64url");

/** What `role` sends to show that it knows the secret. */
export const proofOf = (
  secret: string,
  role: "master" | "worker",
  masterNonce: string,
  workerNonce: string,
): string =>
  createHmac("sha256", secret)
    .update(`${role}\n${masterNonce}\n${workerNonce}`)
    .digest("base64url");

export function sameProof(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

export const send = (socket: Socket, message: ToWorker | ToMaster): void => {
  if (socket.writable) socket.write(`${JSON.stringify(message)}\n`);
};

/** Calls `onMessage` for each line; ends the connection when a line is too long or not JSON. */
export function readLines(
  socket: Socket,
  limit: () => number,
  onMessage: (message: unknown) => void,
): void {
  let parts: Buffer[] = [];
  let size = 0;
  socket.on("data", (chunk: Buffer) => {
    let from = 0;
    for (;;) {
      const end = chunk.indexOf(10, from);
      const part = chunk.subarray(from, end < 0 ? chunk.length : end);
      size += part.length;
      if (size > limit()) {
        socket.destroy();
        return;
      }
      parts.push(part);
      if (end < 0) return;
      const line = Buffer.concat(parts).toString("utf8");
      parts = [];
      size = 0;
      from = end + 1;
      try {
        onMessage(JSON.parse(line));
      } catch {
        socket.destroy();
        return;
      }
    }
  });
}
