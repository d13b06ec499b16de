// npm run bench:service: the service beside its peers, in one run, each on one core with wrk on another.
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { cpus, homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { bundle, contextFolder } from "../../infra/bundle.ts";
import { pythonWith } from "../../test/python.ts";
import {
  buildImage,
  removeImage,
  startContainer,
  type Container,
} from "../../test/service/container.ts";
import { readCommand, UsageError } from "../../toolchain/command.mjs";
import { cpuSeconds, median, needWrk, thousands, wholeNumbers } from "../measure.ts";
import { rustLibrary, rustMissing, rustModel, rustPeer } from "../rust/peer.ts";
import { writeSection } from "../section.ts";

const run = promisify(execFile);
const HERE = import.meta.dirname;
const IRIS = ["sepal_length", "sepal_width", "petal_length", "petal_width"];
const WIDE = Array.from({ length: 30 }, (_, i) => `feature_${i}`);

const HELP = `npm run bench:service [-- --rounds 5 --seconds 3 --requests 1000000]

Measures the service beside a bare Node server, a Rust server and FastAPI, on one core each, and writes
the table in docs/benchmarks.md. Needs wrk, taskset, Python 3 with venv, and two cores with little else
to do. Without cargo the Rust server is left out.
`;

interface Load {
  readonly requests: number;
  readonly seconds: number;
  readonly p50ms: number;
  readonly p99ms: number;
  readonly failed: number;
  /** CPU time of the server for one request, in µs: less swayed by a busy machine than the rate. */
  readonly cpuMicros: number;
}

interface Server {
  readonly url: string;
  readonly pid: number;
  /** ms from the start of the process to its first good answer. */
  readonly readyMs: number;
  stop(): Promise<void>;
}

let nextPort = 28_100 + (process.pid % 500);

/** Starts a server on the first core and waits for its first answer. */
async function start(
  command: readonly string[],
  environment: Record<string, string>,
  path: string,
): Promise<Server> {
  const port = nextPort++;
  const args = command.map((part) => part.replace("{port}", String(port)));
  const began = performance.now();
  const child: ChildProcess = spawn("taskset", ["-c", "0", ...args], {
    cwd: HERE,
    env: {
      ...process.env,
      LOG_LEVEL: "warn",
      DRAIN_DELAY: "0s",
      ...environment,
      PORT: String(port),
    },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const url = `http://127.0.0.1:${port}`;
  for (let i = 0; ; i++) {
    if (
      await fetch(`${url}${path}`).then(
        () => true,
        () => false,
      )
    )
      break;
    if (i > 1500 || child.exitCode !== null) throw new Error(`${args.join(" ")} did not start.`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    url,
    pid: child.pid ?? 0,
    readyMs: performance.now() - began,
    stop: async () => {
      child.kill("SIGTERM");
      await once(child, "exit");
    },
  };
}

/** One load by wrk on the second core. Throws Error when a request failed. */
async function drive(
  server: Server,
  connections: number,
  seconds: number,
  names: readonly string[],
  rows = 1,
): Promise<Load> {
  const options = [
    "-t1",
    `-c${connections}`,
    `-d${seconds}s`,
    "-s",
    join(HERE, "rows.lua"),
    server.url,
  ];
  const before = cpuSeconds(server.pid);
  const { stdout } = await run("taskset", [
    "-c",
    "1",
    "wrk",
    ...options,
    "--",
    names.join(","),
    String(rows),
  ]);
  const used = cpuSeconds(server.pid) - before;
  const result = JSON.parse(/RESULT (.*)/.exec(stdout)?.[1] ?? "") as Omit<Load, "cpuMicros">;
  const load = { ...result, cpuMicros: (used * 1e6) / result.requests };
  if (load.failed > 0) throw new Error(`${load.failed} of ${load.requests} requests failed.`);
  return load;
}

const rate = ({ requests, seconds }: Load): number => requests / seconds;

/** Loads of every server, one after another within each round. */
async function interleaved<S extends Readonly<Record<string, Server>>>(
  servers: S,
  rounds: number,
  load: (server: Server) => Promise<Load>,
): Promise<{ [K in keyof S]: Load[] }> {
  const entries = Object.entries(servers).map(([name, server]) => ({
    name,
    server,
    loads: [] as Load[],
  }));
  for (let round = 0; round < rounds; round++) {
    for (const { server, loads } of entries) loads.push(await load(server));
  }
  return Object.fromEntries(entries.map(({ name, loads }) => [name, loads])) as {
    [K in keyof S]: Load[];
  };
}

/** Median of the ratios within each round: what else the machine does weighs on both sides alike. */
const ratio = (above: readonly Load[], below: readonly Load[]): number =>
  median(above.map((load, round) => rate(load) / rate(below[round] as Load)));

/** The bundle that the image holds, here on the host. */
const service = (main: string, environment: Record<string, string> = {}): Promise<Server> =>
  start([process.execPath, main], environment, "/readyz");

const stopAll = (servers: Readonly<Record<string, Server>>): Promise<unknown> =>
  Promise.all(Object.values(servers).map((server) => server.stop()));

const say = (line: string): void => void process.stderr.write(`${line}\n`);

interface Options {
  readonly rounds: number;
  readonly seconds: number;
  readonly requests: number;
  /** The service's bundle. */
  readonly main: string;
}

const round = (value: number, digits = 2): string => value.toFixed(digits);

async function peers(
  { rounds, seconds, main }: Options,
  python: string,
  rust: string | undefined,
): Promise<string[]> {
  say("peers, 64 connections …");
  const fastapi = [
    "-m",
    "uvicorn",
    "fastapi_app:app",
    "--port",
    "{port}",
    "--loop",
    "uvloop",
    "--http",
    "httptools",
    "--no-access-log",
    "--log-level",
    "warning",
  ];
  const servers: Record<"bare" | "service" | "fastapi", Server> & { rust?: Server } = {
    bare: await start([process.execPath, join(HERE, "bare.ts")], {}, "/predict"),
    service: await service(main),
    fastapi: await start([python, ...fastapi], {}, "/predict"),
  };
  if (rust !== undefined) {
    const environment = { MODEL: rustModel, ORT_DYLIB_PATH: rustLibrary };
    servers.rust = await start([rust], environment, "/readyz");
  }
  for (const server of Object.values(servers)) await drive(server, 64, 2, IRIS);
  const loads = await interleaved(servers, rounds, (server) => drive(server, 64, seconds, IRIS));
  const [readyMs] = [servers.service.readyMs];
  await stopAll(servers);
  const row = (name: string, all: readonly Load[]): string =>
    `| ${name} | ${thousands(median(all.map(rate)))} | ${round(median(all.map(({ p50ms }) => p50ms)))} | ${round(median(all.map(({ p99ms }) => p99ms)))} | ${round(median(all.map((load) => load.cpuMicros)), 1)} |`;
  const p99 = median(loads.service.map(({ p99ms }, i) => p99ms - (loads.bare[i]?.p99ms ?? NaN)));
  return [
    "| iris, one row, 64 connections | requests/s | p50 ms | p99 ms | CPU µs a request |",
    "|---|---|---|---|---|",
    row("bare `node:http`: parse JSON, reply, no model", loads.bare),
    row("this service, everything on", loads.service),
    row("FastAPI + onnxruntime, uvloop, httptools, loaded once", loads.fastapi),
    ...(loads.rust === undefined
      ? ["", rustMissing]
      : [row("Rust: axum, `ort`, mimalloc, batches; nothing but the prediction", loads.rust)]),
    "",
    `Service over bare server: **${round(ratio(loads.service, loads.bare))}** (target 0.80); over FastAPI: **${round(ratio(loads.service, loads.fastapi), 1)}×** (target 5); p99 beyond the bare server's: **${round(p99)} ms** (target 2). Ready ${thousands(readyMs)} ms after start.`,
    "",
  ];
}

async function batching({ rounds, seconds, main }: Options, models: string): Promise<string[]> {
  const cases: [string, Record<string, string>, readonly string[], number][] = [
    ["iris, one row", {}, IRIS, 1],
    ["iris, arrays of 100 rows", {}, IRIS, 100],
    ["random forest, 100 trees, 30 features", { MODEL_FILE: join(models, "forest") }, WIDE, 1],
    ["network of 3 layers of 256", { MODEL_FILE: join(models, "mlp") }, WIDE, 1],
    ["random forest, arrays of 100 rows", { MODEL_FILE: join(models, "forest") }, WIDE, 100],
  ];
  const lines = [
    "| batched against one run a request | batched, 64 conn. | one run each | ratio | ratio at 1 conn. |",
    "|---|---|---|---|---|",
  ];
  for (const [name, environment, names, rows] of cases) {
    say(`batching: ${name} …`);
    const servers = {
      batched: await service(main, environment),
      single: await service(main, { ...environment, BATCHING: "false" }),
    };
    for (const server of Object.values(servers)) await drive(server, 64, 1, names, rows);
    const many = await interleaved(servers, rounds, (server) =>
      drive(server, 64, seconds, names, rows),
    );
    const one = await interleaved(servers, rounds, (server) =>
      drive(server, 1, seconds, names, rows),
    );
    await stopAll(servers);
    lines.push(
      `| ${name} | ${thousands(median(many.batched.map(rate)))}/s | ${thousands(median(many.single.map(rate)))}/s | ${round(ratio(many.batched, many.single))} | ${round(ratio(one.batched, one.single))} |`,
    );
  }
  return [...lines, ""];
}

/** Memory of a container in MB: what its processes own, and with it the file pages it is charged for. */
async function memoryOf(container: Container): Promise<string> {
  // The first is cgroup v1's, the second v2's.
  const script =
    "cd /sys/fs/cgroup; cat memory/memory.stat memory.stat 2>/dev/null; " +
    "echo charged $(cat memory/memory.usage_in_bytes memory.current 2>/dev/null)";
  const { stdout } = await run("docker", ["exec", container.id, "sh", "-c", script]);
  const mb = (name: RegExp): string => {
    const bytes = new RegExp(`^(?:${name.source}) (\\d+)`, "m").exec(stdout)?.[1];
    return `${(Number(bytes) / 1024 / 1024).toFixed(1)} MB`;
  };
  return `${mb(/rss|anon/)} its own (${mb(/charged/)} with file pages)`;
}

async function memory({ requests }: Options): Promise<string[]> {
  say(`memory over ${thousands(requests)} requests …`);
  await buildImage();
  const container = await startContainer({ cpus: 1, memory: "80m" });
  try {
    const server = { ...container, pid: process.pid, readyMs: 0, stop: () => Promise.resolve() };
    const idle = await memoryOf(container);
    let sent = 0;
    let early: string | undefined;
    while (sent < requests) {
      sent += (await drive(server, 64, 3, IRIS)).requests;
      if (sent >= requests / 10) early ??= `${await memoryOf(container)} after ${thousands(sent)}`;
    }
    const late = `${await memoryOf(container)} after ${thousands(sent)}`;
    return [
      `Memory in a container of 1 CPU and 80 MB: ${idle} idle; ${early ?? ""}; ${late} requests.`,
      "",
    ];
  } finally {
    await container.stop();
    await removeImage();
  }
}

async function main(): Promise<void> {
  const { values } = readCommand("bench:service", {
    options: {
      rounds: { type: "string", default: "5" },
      seconds: { type: "string", default: "3" },
      requests: { type: "string", default: "1000000" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const { rounds, seconds, requests } = values;
  const numbers = wholeNumbers({ rounds, seconds, requests });
  needWrk();
  say("Python packages …");
  const python = await pythonWith(join(HERE, "requirements.txt"));
  const rust = await rustPeer();
  const models = join(
    process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"),
    "inference-stack/bench-models",
  );
  if (!existsSync(join(models, "mlp/model.onnx")))
    await run(python, [join(HERE, "make_models.py"), models]);
  const context = contextFolder(await bundle("service"));
  const options: Options = { ...numbers, main: join(context, "app/main.mjs") };
  const lines = [
    `One core for the server, one for wrk, medians of ${options.rounds} interleaved rounds of ${options.seconds} s; ${cpus()[0]?.model.trim() ?? "?"}, Node ${process.version}.`,
    "",
    ...(await peers(options, python, rust)),
    ...(await batching(options, models)),
    ...(await memory(options)),
  ];
  await writeSection("service", "The service beside its peers", lines);
  process.stdout.write(`${lines.join("\n")}\n`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
