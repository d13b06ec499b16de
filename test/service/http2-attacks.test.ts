// Attacks on HTTP/2 that have a name, at a small replica: it goes on, its memory has an end, and a neighbour
// is answered all the while.
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import {
  FLAG,
  FRAME,
  frame,
  MAX_WINDOW,
  PREFACE,
  SETTING,
  settings,
  windowUpdate,
} from "../../service/http2/frame.ts";
import {
  block,
  BODY,
  closeAll,
  data,
  get,
  open,
  Raw,
  resetBy,
} from "../../service/http2/testing.ts";
import { buildImage, removeImage, startContainer, type Container } from "./container.ts";
import { look, underAttack } from "./under-attack.ts";

/** Connections that attack, and how long each of two rounds takes. */
const ATTACKERS = 6;
const ROUND_MS = 2000;
const LARGE_FILE = "/docs/swagger-ui-bundle.js";

let service: Container;
beforeAll(async () => {
  await buildImage();
  service = await startContainer({ cpus: 0.5, memory: "128m" });
});
afterEach(closeAll);
afterAll(async () => {
  expect(await service.stop()).toMatchObject({ exitCode: 0 });
  await removeImage();
});

/** What one connection begins with, and sends again and again; streams are numbered from `id` on. */
interface Attack {
  readonly greeting?: Buffer;
  readonly reads?: boolean;
  readonly once?: (connection: number) => Buffer;
  readonly again?: (id: number) => Buffer;
}

const many = (count: number, of: (i: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, i) => of(i)));
const streams = (id: number, of: (id: number) => Buffer): Buffer =>
  many(100, (i) => of(id + 2 * i));
const withSettings = (...values: (readonly [number, number])[]): Buffer =>
  Buffer.concat([PREFACE, settings(values)]);
const ping = frame(FRAME.ping, 0, 0, Buffer.alloc(8));
/** An entry of 4,000 bytes, and as many mentions of it, a byte each, as a block may stand for. */
const bomb = Buffer.concat([
  block(),
  Buffer.from([0x40, 1, 0x61, 0x7f, ...[0xa1, 0x1e]]),
  Buffer.alloc(4000, "b"),
  Buffer.alloc(4, 0xbe),
]);

const attacks: Readonly<Record<string, Attack>> = {
  "rapid reset": {
    again: (id) => streams(id, (id) => Buffer.concat([open(id), data(id, BODY), resetBy(id)])),
  },
  "made you reset": {
    again: (id) => streams(id, (id) => Buffer.concat([open(id), windowUpdate(id, 0)])),
  },
  "requests that are none": {
    again: (id) => streams(id, (id) => open(id, { "x-own": "a\nb" })),
  },
  "empty continuations": {
    once: () => frame(FRAME.headers, 0, 1, block()),
    again: () => many(1000, () => frame(FRAME.continuation, 0, 1)),
  },
  "continuations of headers": {
    once: () => frame(FRAME.headers, 0, 1, block()),
    again: () => many(10, () => frame(FRAME.continuation, 0, 1, Buffer.alloc(8000, block()))),
  },
  pings: { again: () => many(1000, () => ping) },
  settings: { again: () => many(1000, () => settings([[SETTING.initialWindowSize, 1]])) },
  "windows opened by a byte": {
    greeting: withSettings([SETTING.initialWindowSize, 0]),
    once: () => get(1, LARGE_FILE),
    again: () => many(1000, () => windowUpdate(1, 1)),
  },
  "a window of nothing": {
    greeting: withSettings([SETTING.initialWindowSize, 0]),
    once: () => many(60, (i) => get(1 + 2 * i, LARGE_FILE)),
  },
  "nothing read, with the widest window": {
    greeting: withSettings([SETTING.initialWindowSize, MAX_WINDOW]),
    reads: false,
    once: () =>
      Buffer.concat([
        windowUpdate(0, MAX_WINDOW - 65_535),
        many(60, (i) => get(1 + 2 * i, LARGE_FILE)),
      ]),
  },
  "data of one byte": {
    once: () => many(4, (i) => open(1 + 2 * i)),
    again: () => many(4000, (i) => data(1 + 2 * (i % 4), " ", false)),
  },
  "data of nothing": {
    once: () => open(1),
    again: () => many(1000, () => data(1, "", false)),
  },
  "bodies that never end": {
    once: () => many(60, (i) => open(1 + 2 * i)),
    again: () => many(60, (i) => data(1 + 2 * i, Buffer.alloc(8000, " "), false)),
  },
  "headers that stand for more than they are": {
    again: (id) => streams(id, (id) => frame(FRAME.headers, FLAG.endHeaders, id, bomb)),
  },
};

/** Attacks with one connection after another until the time is over. */
async function attack(number: number, how: Attack, until: number): Promise<void> {
  const { hostname, port } = new URL(service.url);
  while (performance.now() < until) {
    const raw = new Raw({ hostname, port: Number(port) }, how.greeting);
    const { socket } = raw;
    if (how.reads === false) socket.pause();
    await once(socket, "connect");
    if (how.once) socket.write(how.once(number));
    for (let id = 1; performance.now() < until && !socket.closed; id += 200) {
      const more = how.again?.(id);
      // What is not taken is not piled up here: the event loop is the neighbour's, too.
      if (more && socket.writableLength < 1e6) socket.write(more);
      await sleep(2);
    }
    socket.destroy();
  }
}

test.each(Object.entries(attacks))("%s", async (_, how) => {
  const round = () =>
    underAttack(service, ROUND_MS, async (until) => {
      await Promise.all(Array.from({ length: ATTACKERS }, (_, i) => attack(i, how, until)));
    });
  const before = await look(service);
  const [first, second] = [await round(), await round()];
  for (const { neighbour, started } of [first, second]) {
    expect(neighbour.others).toEqual([]);
    expect(neighbour.answered).toBeGreaterThan(2);
    expect(neighbour.slowest).toBeLessThan(ROUND_MS);
    expect(started).toBe(before.started);
  }
  const shown = [before, first, second].map(({ peak }) => peak.toFixed(0)).join(", ");
  expect(second.peak, `MB before, in the first round, in the second: ${shown}`).toBeLessThan(
    1.1 * first.peak,
  );
});
