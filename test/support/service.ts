import { spawn, type ChildProcess } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "../../toolchain/clone.mjs";
import { freePort } from "../port.ts";

export interface RunningService {
  readonly url: string;
  /** The metrics of all its processes. */
  metrics(): Promise<string>;
  /** `GET path`, the body as JSON. */
  get(path: string): Promise<{ status: number; body: Record<string, unknown> }>;
  /** What `GET path` answers to many at once, each on a connection of its own: every different answer. */
  everywhere(path: string): Promise<readonly { status: number; text: string }[]>;
  /** The processes that the first one has started. */
  workers(): Promise<readonly number[]>;
  stop(): Promise<void>;
}

/** The service as a process of this machine, following a registry. */
export async function runService(settings: {
  readonly mlflowUrl: string;
  readonly model: string;
  readonly modelStage?: string;
  readonly cacheFolder: string;
  readonly s3?: { readonly url: string; readonly accessKey: string; readonly secretKey: string };
  /** PEM of a private certificate authority. */
  readonly ca?: string;
}): Promise<RunningService> {
  const folder = await mkdtemp(join(tmpdir(), "service-"));
  const [port, metricsPort] = [await freePort(), await freePort()];
  const { s3, ca, ...given } = settings;
  if (ca !== undefined) await writeFile(join(folder, "ca.pem"), ca);
  if (s3) {
    await writeFile(join(folder, "s3-access-key"), s3.accessKey);
    await writeFile(join(folder, "s3-secret-key"), s3.secretKey);
  }
  const file = join(folder, "settings.json");
  const content = {
    ...given,
    port,
    metricsPort,
    secretsFolder: folder,
    registryInterval: "500ms",
    drainDelay: "0ms",
    ...(s3 ? { s3Url: s3.url } : {}),
  };
  await writeFile(file, JSON.stringify(content));
  const child: ChildProcess = spawn(
    join(root, "node_modules/.bin/node"),
    [join(root, "service/main.ts"), "--settings", file],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    async metrics() {
      return (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
    },
    async get(path) {
      const reply = await fetch(url + path);
      return { status: reply.status, body: (await reply.json()) as Record<string, unknown> };
    },
    async everywhere(path) {
      const answers = await Promise.all(Array.from({ length: 40 }, () => getOnce(url + path)));
      return [...new Map(answers.map((each) => [`${each.status} ${each.text}`, each])).values()];
    },
    async workers() {
      const { pid = 0 } = child;
      const text = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
      return text.trim().split(" ").filter(Boolean).map(Number);
    },
    async stop() {
      const ended = new Promise((resolve) => child.once("exit", resolve));
      if (child.exitCode === null && child.kill()) await ended;
      await rm(folder, { recursive: true });
    },
  };
}

/** Waits until `done` holds, asking several times a second; throws after `ms`. */
export async function until(
  what: string,
  done: () => Promise<boolean>,
  ms = 60_000,
): Promise<void> {
  const deadline = Date.now() + ms;
  while (!(await done().catch(() => false))) {
    if (Date.now() > deadline) throw new Error(`not within ${ms / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export interface Answer {
  /** When it was asked and answered, in ms of one clock. */
  readonly asked: number;
  readonly answered: number;
  /** 0 when there was no reply. */
  readonly status: number;
  readonly body: string;
}

/** Asks `url` with `body` at a steady rate, whatever the answers take, until it is stopped. */
export function steadyLoad(url: string, body: string, perSecond: number) {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const answers: Answer[] = [];
  const open = new Set<Promise<void>>();
  const started = performance.now();
  let sent = 0;
  const ask = (): Promise<void> =>
    new Promise((resolve) => {
      const asked = performance.now();
      const end = (status: number, text: string): void => {
        answers.push({ asked, answered: performance.now(), status, body: text });
        resolve();
      };
      const headers = { "content-type": "application/json" };
      request(`${url}/predict`, { method: "POST", agent, headers }, (reply) => {
        let text = "";
        reply.setEncoding("utf8").on("data", (piece: string) => (text += piece));
        reply.once("end", () => {
          end(reply.statusCode ?? 0, text);
        });
        reply.once("error", (error) => {
          end(0, error.message);
        });
      })
        .once("error", (error) => {
          end(0, error.message);
        })
        .end(body);
    });
  const timer = setInterval(() => {
    const due = ((performance.now() - started) / 1000) * perSecond;
    for (; sent < due; sent++) {
      const one = ask();
      open.add(one);
      void one.then(() => open.delete(one));
    }
  }, 2);
  return {
    async stop(): Promise<Answer[]> {
      clearInterval(timer);
      await Promise.all(open);
      agent.destroy();
      return answers;
    },
  };
}

/** On a connection of its own: the kernel gives each to one of the processes that listen. */
const getOnce = (url: string): Promise<{ status: number; text: string }> =>
  new Promise((resolve, reject) => {
    request(url, { agent: false }, (reply) => {
      let text = "";
      reply.setEncoding("utf8").on("data", (piece: string) => (text += piece));
      reply.once("end", () => {
        resolve({ status: reply.statusCode ?? 0, text });
      });
    })
      .once("error", reject)
      .end();
  });
