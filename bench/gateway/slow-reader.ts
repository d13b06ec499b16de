// A client that asks for much and reads nothing: what do the others lose who share its connection to the replica?
import { connect, type Socket } from "node:net";
import { setTimeout } from "node:timers/promises";

/** 1.7 MB: more than the buffers on its way take. */
const LARGE = "/docs/swagger-ui-bundle.js";

/** Lets so many clients ask for a large reply through the gateway and read none of it. */
export async function slowReaders(count: number, url: string): Promise<() => void> {
  const { hostname, port } = new URL(url);
  const sockets: Socket[] = [];
  for (let i = 0; i < count; i++) {
    const socket = connect({ host: hostname, port: Number(port) });
    socket.on("error", () => undefined);
    socket.pause();
    socket.write(`GET ${LARGE} HTTP/1.1\r\nHost: slow\r\n\r\n`);
    sockets.push(socket);
  }
  // Until all that there is room for is on its way.
  await setTimeout(1500);
  return () => {
    for (const socket of sockets) socket.destroy();
  };
}
