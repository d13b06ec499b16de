// Attacks over HTTP/1.1 on a small replica, one after the other: it goes on, and a neighbour is answered.
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { get, post } from "../trust/attack/wire.ts";
import { buildImage, removeImage, startContainer, type Container } from "./container.ts";
import { look, underAttack } from "./under-attack.ts";

const ROUND_MS = 4000;
const MB = 1024 * 1024;
const ROW = '{"sepal_length":5.1,"sepal_width":3.5,"petal_length":1.4,"petal_width":0.2}';
const ROWS = `[${Array.from({ length: 10_000 }, () => ROW).join(",")}]`;

let service: Container;
beforeAll(async () => {
  await buildImage();
  service = await startContainer({ cpus: 0.5, memory: "128m" });
});
afterAll(async () => {
  expect(await service.stop()).toMatchObject({ exitCode: 0 });
  await removeImage();
});

/** So many connections, each of which sends this at once. */
interface Attack {
  readonly connections: number;
  readonly bytes: string;
  readonly reads: boolean;
}

const whole = (body: string): string => post({ "Content-Length": body.length }, body);
const bodies = (body: string): Attack => ({ connections: 60, bytes: whole(body), reads: true });
const unread = (connections: number, bytes: string): Attack => ({
  connections,
  bytes,
  reads: false,
});

const attacks: Readonly<Record<string, Attack>> = {
  "requests behind each other, whose replies nobody reads": unread(
    1000,
    get("/openapi.json").repeat(50),
  ),
  "thousands of short requests behind each other": unread(200, get("/").repeat(2000)),
  "requests without a body behind each other": unread(500, whole("").repeat(100)),
  "a large file that nobody reads": unread(200, get("/docs/swagger-ui-bundle.js")),
  "large replies that nobody reads": unread(60, whole(ROWS).repeat(2)),
  "bodies of arrays in arrays": bodies("[".repeat(MB)),
  "bodies of short numbers": bodies(`[${"1,".repeat(MB / 2 - 2)}1]`),
  "bodies of blanks": bodies(ROW + " ".repeat(MB - ROW.length)),
  "bodies of valid rows": bodies(ROWS),
};

/** All of it at once, again when all have ended. */
async function attack({ connections, bytes, reads }: Attack, until: number): Promise<void> {
  const { hostname, port } = new URL(service.url);
  while (performance.now() < until) {
    let open = connections;
    const sockets = Array.from({ length: connections }, () => {
      const socket = connect(Number(port), hostname);
      if (reads) socket.once("data", () => socket.destroy()).resume();
      else socket.pause();
      socket.on("error", () => undefined).on("close", () => open--);
      socket.write(bytes);
      return socket;
    });
    while (open > 0 && performance.now() < until) await sleep(20);
    for (const socket of sockets) socket.destroy();
  }
}

test.each(Object.entries(attacks))("%s", async (_, how) => {
  const { started } = await look(service);
  const seen = await underAttack(service, ROUND_MS, (until) => attack(how, until));
  // The process that is answering is still the same; whom it has no room for is told so.
  expect((await look(service)).started).toBe(started);
  expect(seen.neighbour.others.filter((status) => status !== 503)).toEqual([]);
  expect(seen.neighbour.answered).toBeGreaterThan(0);
});
