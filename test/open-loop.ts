// A program of its own, so that a test can run it inside a network: sends predictions at a constant
// rate, whatever becomes of them, until it is told to stop, and prints what happened as JSON. A reply
// is timed from when its request was due, so a pause of the service counts in full.
import { Agent, request } from "node:http";
import { parseArgs } from "node:util";
import { sample } from "./traffic.ts";

/** What was seen. Times in milliseconds. */
export interface Seen {
  readonly sent: number;
  readonly failed: Readonly<Record<string, number>>;
  readonly p50: number;
  readonly p99: number;
  readonly slowest: number;
  /** Replies that took more than a second. */
  readonly overSecond: number;
  /** Longest time without any good reply. */
  readonly pause: number;
  /** Opened in all. */
  readonly connections: number;
}

interface Target {
  readonly url: URL;
  readonly agent: Agent;
  connections: number;
}

const body = JSON.stringify(sample);

/** One prediction: undefined when it was answered well, else what went wrong. */
function predict(target: Target): Promise<string | undefined> {
  const { url, agent } = target;
  return new Promise((resolve) => {
    const sent = request(url, {
      method: "POST",
      agent,
      headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body) },
      timeout: 30_000,
    });
    sent.once("socket", ({ connecting }) => {
      if (connecting) target.connections++;
    });
    sent.once("timeout", () => sent.destroy(new Error("no reply within 30 s")));
    sent.once("error", (error: NodeJS.ErrnoException) => {
      resolve(error.code ?? error.message);
    });
    sent.once("response", (reply) => {
      let text = "";
      reply.setEncoding("utf8");
      reply.on("data", (chunk: string) => (text += chunk));
      reply.once("error", (error) => {
        resolve(error.message);
      });
      reply.once("end", () => {
        const good = reply.statusCode === 200 && /"label":(?:"setosa"|0)[,}]/.test(text);
        resolve(good ? undefined : `${reply.statusCode ?? 0} ${text.slice(0, 120)}`);
      });
    });
    sent.end(body);
  });
}

const rank = (sorted: Float64Array, share: number): number =>
  sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      url: { type: "string" },
      rate: { type: "string", default: "1000" },
      connections: { type: "string", default: "Infinity" },
    },
  });
  const target: Target = {
    url: new URL("/predict", values.url),
    agent: new Agent({ keepAlive: true, maxSockets: Number(values.connections) }),
    connections: 0,
  };
  const perMs = Number(values.rate) / 1000;
  const failed: Record<string, number> = {};
  const took: number[] = [];
  const started = performance.now();
  let sent = 0;
  let pause = 0;
  let lastGood = started;
  const inFlight = new Set<Promise<void>>();

  const one = async (due: number) => {
    const wrong = await predict(target);
    const now = performance.now();
    took.push(now - due);
    if (wrong === undefined) {
      pause = Math.max(pause, now - lastGood);
      lastGood = now;
    } else {
      failed[wrong] = (failed[wrong] ?? 0) + 1;
    }
  };
  const pacer = setInterval(() => {
    const due = Math.floor((performance.now() - started) * perMs);
    while (sent < due) {
      const reply = one(started + sent / perMs);
      inFlight.add(reply);
      void reply.finally(() => inFlight.delete(reply));
      sent++;
    }
  }, 2);
  await new Promise((resolve) => process.once("SIGTERM", resolve));
  clearInterval(pacer);
  await Promise.all(inFlight);
  const sorted = Float64Array.from(took).sort();
  const round = (ms: number) => Math.round(ms * 10) / 10;
  const seen: Seen = {
    sent,
    failed,
    p50: round(rank(sorted, 0.5)),
    p99: round(rank(sorted, 0.99)),
    slowest: round(rank(sorted, 1)),
    overSecond: took.filter((ms) => ms > 1000).length,
    pause: round(pause),
    connections: target.connections,
  };
  process.stdout.write(JSON.stringify(seen), () => process.exit(0));
}

await main();
