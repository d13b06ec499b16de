import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

/**
 * A port of this machine that nobody listens on, now. Below those that the kernel hands out by itself,
 * to Pulumi's own processes too: one of these may be taken between here and its use.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer();
    const listening = once(server, "listening").then(
      () => true,
      () => false,
    );
    const port = randomInt(20_000, 32_000);
    server.listen(port, "127.0.0.1");
    if (!(await listening)) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}
