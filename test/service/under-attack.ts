// How a replica in a container, and somebody beside it, fare while it is attacked.
import { once } from "node:events";
import { connect, type ClientHttp2Session } from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { BODY } from "../../service/http2/testing.ts";
import type { Container } from "./container.ts";

export interface Neighbour {
  readonly answered: number;
  /** Statuses that are not 200. */
  readonly others: number[];
  /** ms */
  readonly slowest: number;
}

export interface Memory {
  /** The most that the process had, MB. */
  readonly peak: number;
  /** When it was started, Unix seconds. */
  readonly started: number;
}

/** Asks one after the other, and says how it fared. */
async function ask(session: ClientHttp2Session, until: number): Promise<Neighbour> {
  const statuses: number[] = [];
  let slowest = 0;
  while (performance.now() < until) {
    const start = performance.now();
    const headers = { ":method": "POST", ":path": "/predict", "content-type": "application/json" };
    const stream = session.request(headers).end(BODY).resume();
    const [head] = (await once(stream, "response")) as [{ ":status": number }];
    statuses.push(head[":status"]);
    slowest = Math.max(slowest, performance.now() - start);
    await sleep(5);
  }
  const others = statuses.filter((status) => status !== 200);
  return { answered: statuses.length - others.length, others, slowest };
}

const value = (name: string, metrics: string): number =>
  Number(new RegExp(`^${name} (\\S+)$`, "m").exec(metrics)?.[1]);

/** Its memory until a moment; by default as it is now. */
export async function look(service: Container, until = 0): Promise<Memory> {
  let peak = 0;
  for (;;) {
    const metrics = await service.metrics();
    peak = Math.max(peak, value("process_resident_memory_bytes", metrics) / 1024 ** 2);
    if (performance.now() >= until) {
      return { peak, started: value("process_start_time_seconds", metrics) };
    }
    await sleep(100);
  }
}

/** Attacks for so many ms; rejects where the neighbour is cut off. */
export async function underAttack(
  service: Container,
  ms: number,
  attack: (until: number) => Promise<void>,
): Promise<Memory & { readonly neighbour: Neighbour }> {
  const session = connect(service.url);
  try {
    const until = performance.now() + ms;
    const attacking = attack(until);
    const [neighbour, memory] = await Promise.all([ask(session, until), look(service, until)]);
    await attacking;
    return { neighbour, ...memory };
  } finally {
    session.destroy();
  }
}
