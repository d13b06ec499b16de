import { Agent, request } from "node:http";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT, startService, type RunningService } from "./process.ts";

const TOTAL = 100_000;
const CONNECTIONS = 32;

/** Numbers from a seed, so that a failure can be repeated. */
function mulberry(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const ROW = '{"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}';
const INFER =
  '{"id":"a","inputs":[{"name":"input","shape":[1,4],"datatype":"FP32","data":[5.1,3.5,1.4,0.2]}]}';
const VALUES = [
  "null",
  "true",
  "[]",
  "{}",
  '""',
  "NaN",
  "Infinity",
  "-0",
  "1e999",
  "-1e999",
  "1e-999",
  "9".repeat(400),
  "0x10",
  "01",
  '"\\ud800"',
  '"\\u0000"',
  "[[[[[[[[1]]]]]]]]",
  '{"__proto__":{"x":1}}',
  '{"constructor":1}',
  "123456789012345678901234567890",
];

/** A body made from a valid one, or from nothing good. */
function hostileBody(random: (below: number) => number): Buffer | string {
  const base = random(2) === 0 ? ROW : INFER;
  switch (random(9)) {
    case 0:
      return Buffer.from(Array.from({ length: random(200) }, () => random(256)));
    case 1:
      return base.slice(0, random(base.length));
    case 2: {
      const bytes = Buffer.from(base);
      for (let i = 0; i <= random(5); i++) bytes[random(bytes.length)] = random(256);
      return bytes;
    }
    case 3:
      return base.replace(/[\d.]+/g, (number) =>
        random(3) === 0 ? (VALUES[random(VALUES.length)] ?? "") : number,
      );
    case 4:
      return "[".repeat(random(20_000)) + "]".repeat(random(20_000));
    case 5:
      return `[${Array.from({ length: random(50) }, () => (random(4) ? ROW : (VALUES[random(VALUES.length)] ?? ""))).join(",")}]`;
    case 6:
      return base.replaceAll('"', () => (random(20) === 0 ? "" : '"'));
    case 7:
      return base.replace(
        "{",
        `{${JSON.stringify("k".repeat(random(300)))}: ${VALUES[random(VALUES.length)] ?? ""},`,
      );
    default:
      return VALUES[random(VALUES.length)] ?? "";
  }
}

const PATHS = ["/predict", "/v2/models/iris/infer", "/predict?x=%00", "/v2/models/%20/infer"];

async function send(
  service: RunningService,
  agent: Agent,
  random: (below: number) => number,
): Promise<number> {
  const body = hostileBody(random);
  const path = random(20) === 0 ? PATHS[2 + random(2)] : PATHS[random(2)];
  const headers = {
    "content-type": random(30) === 0 ? "text/html" : "application/json",
    "content-length": Buffer.byteLength(body),
  };
  return new Promise((resolve, reject) => {
    const sent = request(
      { agent, port: service.port, host: "127.0.0.1", path, method: "POST", headers },
      (response) => {
        response.resume();
        response.on("end", () => {
          resolve(response.statusCode ?? 0);
        });
      },
    );
    sent.on("error", reject);
    sent.end(body);
  });
}

describe("hostile bodies", () => {
  it(`${TOTAL} of them: no 5xx, no growth, and good requests still answered`, async () => {
    const flags = ["--max-old-space-size=48", "--max-semi-space-size=2"];
    const service = await startService(
      { MODEL_FILE: join(ROOT, "service/models/iris"), MAX_BODY: "32kB" },
      flags,
    );
    const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
    const statuses = new Map<number, number>();
    const memory: number[] = [];
    try {
      let sent = 0;
      const worker = async (seed: number): Promise<void> => {
        const random = mulberry(seed);
        while (sent < TOTAL) {
          sent++;
          const status = await send(service, agent, random);
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
          if (sent % 20_000 === 0) memory.push(service.memoryMB());
        }
      };
      await Promise.all(Array.from({ length: CONNECTIONS }, (_, seed) => worker(seed)));
      expect([...statuses.keys()].filter((status) => status >= 500)).toEqual([]);
      expect([...statuses.keys()]).toEqual(expect.arrayContaining([200, 400, 404, 413, 415, 422]));
      expect(memory.at(-1)).toBeLessThan((memory[0] ?? 0) * 1.1 + 4);
      const good = await fetch(`${service.url}/predict`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: ROW,
      });
      expect(good.status).toBe(200);
    } finally {
      agent.destroy();
      expect(await service.stop()).toBe(0);
    }
  });
});
