import { Agent, request } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildImage, removeImage, startContainer } from "./container.ts";
import { ROOT } from "./process.ts";

const JSON_HEADERS = { "content-type": "application/json" };
const SLOW_ROW = JSON.stringify({ feature_0: 1, feature_1: 2, feature_2: 3, feature_3: 4 });
const SETOSA = JSON.stringify({
  sepal_length: 5.1,
  sepal_width: 3.5,
  petal_length: 1.4,
  petal_width: 0.2,
});

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

interface Reply {
  readonly status: number;
  readonly ms: number;
}

function predict(url: string, agent: Agent, body: string): Promise<Reply> {
  const start = performance.now();
  return new Promise((resolve) => {
    const done = (status: number): void => {
      resolve({ status, ms: performance.now() - start });
    };
    const headers = { ...JSON_HEADERS, "content-length": body.length };
    const sent = request(`${url}/predict`, { agent, method: "POST", headers }, (response) => {
      response.resume();
      response.on("end", () => {
        done(response.statusCode ?? 0);
      });
    });
    sent.on("error", () => {
      done(0);
    });
    sent.end(body);
  });
}

/** Replies a second with 24 callers, each sending as soon as it has its reply. */
async function capacity(url: string, agent: Agent, ms: number): Promise<number> {
  const end = performance.now() + ms;
  let replies = 0;
  const caller = async (): Promise<void> => {
    while (performance.now() < end)
      if ((await predict(url, agent, SLOW_ROW)).status === 200) replies++;
  };
  await Promise.all(Array.from({ length: 24 }, caller));
  return replies / (ms / 1000);
}

/** All replies to requests sent at a steady rate, whatever becomes of them. */
async function steady(url: string, agent: Agent, perSecond: number, ms: number): Promise<Reply[]> {
  const sent: Promise<Reply>[] = [];
  const start = performance.now();
  for (let now = 0; now < ms; now = performance.now() - start) {
    while (sent.length < (now / 1000) * perSecond) sent.push(predict(url, agent, SLOW_ROW));
    await sleep(5);
  }
  return Promise.all(sent);
}

describe("in a limited container", () => {
  beforeAll(buildImage);
  afterAll(removeImage);

  // Again when the machine was taken away from both in turn.
  const load = { timeout: 180_000, retry: 2 };
  it(
    "at three times its capacity it still does nine tenths of its work, and turns the rest away at once",
    load,
    async () => {
      const deadlineMs = 1000;
      const service = await startContainer({
        cpus: 0.25,
        memory: "128m",
        model: join(ROOT, "test/models/slow"),
        environment: { DEADLINE: `${deadlineMs}ms` },
      });
      const agent = new Agent({ keepAlive: true, maxSockets: Infinity });
      try {
        await capacity(service.url, agent, 3000);
        // Side by side, three times: what else the machine does weighs on both alike.
        const ratios: number[] = [];
        const refused: Reply[] = [];
        for (let round = 0; round < 3; round++) {
          const able = await capacity(service.url, agent, 5000);
          const replies = await steady(service.url, agent, 3 * able, 8000);
          const good = replies.filter(({ status, ms }) => status === 200 && ms <= 2 * deadlineMs);
          ratios.push(good.length / 8 / able);
          refused.push(...replies.filter(({ status }) => status === 503));
          expect(replies.filter(({ status }) => status !== 200 && status !== 503)).toEqual([]);
        }
        ratios.sort((a, b) => a - b);
        expect(ratios[1]).toBeGreaterThan(0.9);
        const waits = refused.map(({ ms }) => ms).sort((a, b) => a - b);
        expect(waits.length).toBeGreaterThan(100);
        expect(waits[Math.floor(waits.length / 2)]).toBeLessThan(deadlineMs / 2);
      } finally {
        agent.destroy();
        expect(await service.stop()).toMatchObject({ exitCode: 0 });
      }
    },
  );

  it("on SIGTERM it is not ready first, answers everybody while the gateway notices, and exits with 0", async () => {
    const service = await startContainer({ cpus: 0.25, memory: "96m" });
    const agent = new Agent({ keepAlive: true });
    const replies: number[] = [];
    const caller = (async () => {
      // Stops when the service says it is going, as a gateway does.
      for (;;) {
        const ready = await fetch(`${service.url}/readyz`).then(
          ({ status }) => status,
          () => 0,
        );
        if (ready !== 200) return ready;
        for (let i = 0; i < 20; i++)
          replies.push((await predict(service.url, agent, SETOSA)).status);
      }
    })();
    await sleep(1000);
    const start = performance.now();
    const ended = service.stop();
    expect(await caller).toBe(503);
    expect((await predict(service.url, agent, SETOSA)).status).toBe(200);
    const { exitCode } = await ended;
    agent.destroy();
    expect(exitCode).toBe(0);
    expect(performance.now() - start).toBeLessThan(12_000);
    expect(replies.length).toBeGreaterThan(20);
    expect(replies.filter((status) => status !== 200)).toEqual([]);
  });

  it("with two cores it serves from two processes that count as one", async () => {
    const service = await startContainer({ cpus: 2, memory: "256m" });
    const count = async (): Promise<string | undefined> => {
      const text = await (await fetch(`${service.url}/metrics`)).text();
      expect(text).toContain("inference_workers 2");
      return /http_requests_total\{route="\/predict",status="200"\} (\d+)/.exec(text)?.[1];
    };
    // The second starts when the first is up; every connection finds its process by chance.
    await expect
      .poll(
        async () =>
          (await (await fetch(`${service.url}/metrics`)).text()).includes("inference_threads 2"),
        { timeout: 30_000 },
      )
      .toBe(true);
    for (let i = 0; i < 20; i++) {
      const agent = new Agent({ keepAlive: false });
      expect((await predict(service.url, agent, SETOSA)).status).toBe(200);
      agent.destroy();
    }
    for (let i = 0; i < 6; i++) expect(await count()).toBe("20");
    expect(await service.stop()).toMatchObject({ exitCode: 0 });
  });

  it("derives its heap and threads from the limits, and says so", async () => {
    const service = await startContainer({
      cpus: 0.2,
      memory: "80m",
      environment: { LOG_LEVEL: "info" },
    });
    const metrics = await (await fetch(`${service.url}/metrics`)).text();
    expect(metrics).toContain("inference_limit_cpus 0.2");
    expect(metrics).toContain(`inference_limit_memory_bytes ${80 * 1024 * 1024}`);
    expect(metrics).toContain("inference_threads 1");
    const heap = Number(/inference_heap_limit_bytes (\d+)/.exec(metrics)?.[1]) / 1024 / 1024;
    expect(heap).toBeGreaterThan(30);
    expect(heap).toBeLessThan(45);
    expect(metrics).toMatch(/inference_cpu_periods [1-9]/);
    const { logs } = await service.stop();
    expect(logs).toMatch(/"oldSpaceMB":32,"semiSpaceMB":4/);
    expect(logs).not.toMatch(/telemetry/i);
  });
});
