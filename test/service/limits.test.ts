import { Agent, request } from "node:http";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildImage, removeImage, startContainer, endOf } from "./container.ts";
import { prefer } from "../loadtest/processes.ts";
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

/** All replies to 24 callers, each sending as soon as it has its reply: as much as the service can do. */
async function busy(url: string, agent: Agent, ms: number): Promise<Reply[]> {
  const end = performance.now() + ms;
  const replies: Reply[] = [];
  const caller = async (): Promise<void> => {
    while (performance.now() < end) replies.push(await predict(url, agent, SLOW_ROW));
  };
  await Promise.all(Array.from({ length: 24 }, caller));
  return replies;
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

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[values.length >> 1] ?? NaN;

describe("in a limited container", () => {
  beforeAll(buildImage);
  afterAll(removeImage);

  it("refuses to start where nothing says what to serve, in one sentence", async () => {
    expect(await endOf()).toMatchObject({
      exitCode: 2,
      stderr: expect.stringMatching(/^No model is named: [^\n]+\n$/) as string,
    });
    // As a stack starts it, with the file lost.
    const lost = ["node", "/app/start.mjs", "--settings", "/run/inference/settings.json"];
    expect(await endOf(...lost)).toMatchObject({
      exitCode: 2,
      stderr: expect.stringMatching(
        /^The settings file \/run\/inference\/settings.json cannot be read: [^\n]+\n$/,
      ) as string,
    });
  });

  it("at three times its capacity it still does three quarters of its work, in time, and turns the rest away before that", async () => {
    const deadlineMs = 1000;
    const service = await startContainer({
      cpus: 0.25,
      memory: "256m",
      model: join(ROOT, "test/models/slow"),
      environment: { DEADLINE: `${deadlineMs}ms` },
    });
    // Whoever waits for replies is not to be late himself.
    prefer(process.pid);
    const agent = new Agent({ keepAlive: true, maxSockets: Infinity });
    const cpuSeconds = async (): Promise<number> => {
      const text = await service.metrics();
      return Number(/^inference_cpu_seconds ([\d.]+)$/m.exec(text)?.[1]);
    };
    /** Replies, and the CPU that they took: what else the machine does takes time, not CPU. */
    const spent = async (load: Promise<Reply[]>) => {
      const before = await cpuSeconds();
      const replies = await load;
      return { replies, cpu: (await cpuSeconds()) - before };
    };
    try {
      await busy(service.url, agent, 2000);
      const all = { able: [] as Reply[], ableCpu: 0, asked: [] as Reply[], askedCpu: 0 };
      // In turn: neither has the better part of the machine's time.
      for (let round = 0; round < 4; round++) {
        const ms = 2000;
        const able = await spent(busy(service.url, agent, ms));
        able.replies = able.replies.filter(({ status }) => status === 200);
        const rate = (3 * able.replies.length) / (ms / 1000);
        const asked = await spent(steady(service.url, agent, rate, ms));
        all.able.push(...able.replies);
        all.ableCpu += able.cpu;
        all.asked.push(...asked.replies);
        all.askedCpu += asked.cpu;
      }
      const of = (wanted: number) => all.asked.filter(({ status }) => status === wanted);
      const [answered, refused] = [of(200), of(503)];
      expect(answered.length + refused.length).toBe(all.asked.length);
      // Who asks sees more than the service's own budget; later still by what the machine held up a
      // reply when there was nothing to wait for.
      const slowest = Math.max(...all.able.map(({ ms }) => ms));
      const inTime = answered.filter(({ ms }) => ms < 2 * deadlineMs + slowest);
      const work = answered.length / all.askedCpu / (all.able.length / all.ableCpu);
      const [answeredMs = NaN, refusedMs = NaN] = [answered, refused].map((replies) =>
        median(replies.map(({ ms }) => ms)),
      );
      const shown =
        `${all.able.length} alone in ${all.ableCpu.toFixed(2)} s of CPU; of ${all.asked.length} ` +
        `${answered.length} answered in ${all.askedCpu.toFixed(2)} s, ${work.toFixed(2)} of the work, ` +
        `${inTime.length} in time; after ${answeredMs.toFixed(0)} ms, refused after ${refusedMs.toFixed(0)}`;
      console.log(shown);
      // To read and refuse two requests for each that is answered is the rest.
      expect(work, shown).toBeGreaterThan(0.75);
      expect(inTime.length, shown).toBeGreaterThan(0.5 * answered.length);
      expect(refused.length, shown).toBeGreaterThan(0.1 * all.asked.length);
      expect(refusedMs, shown).toBeLessThan(answeredMs);
    } finally {
      agent.destroy();
      expect(await service.stop()).toMatchObject({ exitCode: 0 });
    }
  });

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
    const ended = service.stop();
    expect(await caller).toBe(503);
    expect((await predict(service.url, agent, SETOSA)).status).toBe(200);
    const { exitCode } = await ended;
    agent.destroy();
    // By itself: the engine would have ended it with another code.
    expect(exitCode).toBe(0);
    expect(replies.length).toBeGreaterThan(20);
    expect(replies.filter((status) => status !== 200)).toEqual([]);
  });

  it("with two cores it serves from two processes that count as one", async () => {
    // An engine gives nobody more cores than its machine has.
    const cores = Math.min(2, availableParallelism());
    const service = await startContainer({ cpus: cores, memory: "256m" });
    const count = async (): Promise<string | undefined> => {
      const text = await service.metrics();
      expect(text).toContain(`inference_workers ${cores}`);
      return /http_requests_total\{route="\/predict",status="200"\} (\d+)/.exec(text)?.[1];
    };
    // The second starts when the first is up; every connection finds its process by chance.
    await expect
      .poll(async () => (await service.metrics()).includes(`inference_threads ${cores}\n`), {
        timeout: 30_000,
      })
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
    const metrics = await service.metrics();
    expect(metrics).toContain("inference_limit_cpus 0.2");
    expect(metrics).toContain(`inference_limit_memory_bytes ${80 * 1024 * 1024}`);
    expect(metrics).toContain("inference_threads 1");
    const heap = Number(/inference_heap_limit_bytes (\d+)/.exec(metrics)?.[1]) / 1024 / 1024;
    expect(heap).toBeGreaterThan(30);
    expect(heap).toBeLessThan(45);
    expect(metrics).toMatch(/inference_cpu_periods [1-9]/);
    const { logs } = await service.stop();
    expect(logs).toMatch(/"oldSpaceMB":30,"semiSpaceMB":4/);
    expect(logs).not.toMatch(/telemetry/i);
  });
});
