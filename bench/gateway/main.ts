// npm run bench:gateway: what a request costs a small replica and the gateway before it, beside peers.
import { execFile } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { promisify } from "node:util";
import { gatewayConfig, gatewayPort } from "../../infra/gateway-config.ts";
import { chooseSizing, nodeFlags } from "../../service/sizing.ts";
import { buildImage, removeImage, startContainer } from "../../test/service/container.ts";
import { readCommand, UsageError } from "../../toolchain/command.mjs";
import { baseImages } from "../../toolchain/versions.mjs";
import { median, needWrk, thousands, wholeNumbers } from "../measure.ts";
import { rustLibrary, rustMissing, rustModel, rustPeer } from "../rust/peer.ts";
import { writeSection } from "../section.ts";
import { slowReaders } from "./slow-reader.ts";

const run = promisify(execFile);
const bench = join(import.meta.dirname, "..");
const limits = { cpus: 0.2, memoryBytes: 96 * 1024 ** 2 };

const help = `npm run bench:gateway [-- --rounds 5 --seconds 5 --connections 1000]

Measures a replica of 0.2 CPU and 96 MB behind the stack's own gateway beside bare Node servers and a
Rust server, and writes the table in docs/benchmarks.md. Needs wrk, a Docker engine, and two cores with
little else to do. Without cargo the Rust server is left out.
`;

/** What the replica is spoken to in. */
type Protocol = "h1" | "h2" | "only h2";

interface Subject {
  readonly title: string;
  readonly protocol: Protocol;
  /** A server of its own, below bench/. */
  readonly program?: string;
  /** The server in bench/rust, which cargo has to build; without either it is the service. */
  readonly rust?: true;
}

const subjects = {
  bare: {
    title: "bare `node:http`: parse JSON, reply, no model",
    protocol: "h1",
    program: "service/bare.ts",
  },
  bare2: {
    title: "bare `node:http2`, the same",
    protocol: "only h2",
    program: "gateway/bare-http2.ts",
  },
  rust1: {
    title:
      "Rust (axum, `ort`, mimalloc, batches; nothing but the prediction), spoken to in HTTP/1.1",
    protocol: "h1",
    rust: true,
  },
  rust2: { title: "the same in HTTP/2", protocol: "h2", rust: true },
  http1: { title: "this service, spoken to in HTTP/1.1", protocol: "h1" },
  service: { title: "this service over its own HTTP/2, as the stack has it", protocol: "h2" },
} as const satisfies Record<string, Subject>;
type Name = keyof typeof subjects;

/** Those that are tried beside clients who do not read; how many of those; connections of the others. */
const TRIED = ["http1", "service"] as const satisfies readonly Name[];
const SLOW = [0, 1] as const;
const NEIGHBOURS = 50;

const docker = async (...args: string[]): Promise<string> =>
  (await run("docker", args)).stdout.trim();

/** The stack's configuration with another protocol towards the replicas. */
const spoken: Record<Protocol, (config: string) => string> = {
  h1: (config) => config.replaceAll("proto h2 check-proto h1 ", ""),
  h2: (config) => config,
  "only h2": (config) => config.replaceAll("check-proto h1 ", ""),
};

interface Running {
  readonly replica: string;
  readonly gateway: string;
  readonly url: string;
  stop(): Promise<unknown>;
}

async function start(
  name: Name,
  network: string,
  dir: string,
  rustProgram: string | undefined,
): Promise<Running> {
  const subject: Subject = subjects[name];
  const joins = ["--network", network, "--network-alias", `replica-${name}`];
  const [replica, stopReplica] = await startReplica(subject, joins, rustProgram);
  const config = gatewayConfig({ serviceName: `replica-${name}`, deadline: 10_000 });
  const file = `${name}.cfg`;
  await writeFile(join(dir, file), spoken[subject.protocol](config));
  const gateway = await docker(
    ...["run", "-d", "--network", network, "--cpus", "1", "--tmpfs", "/run/haproxy:mode=1777"],
    // No replicas are known from before, and nobody comes through the engine's proxy.
    ...["-e", "KNOWN=/run/haproxy/known", "-e", "ENGINE=255.255.255.255"],
    ...["-v", `${dir}:/gateway:ro`, baseImages.haproxy, "haproxy", "-db", "-f", `/gateway/${file}`],
  );
  const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
  const url = `http://${await docker("inspect", "-f", format, gateway)}:${gatewayPort}`;
  return {
    replica,
    gateway,
    url,
    stop: async () => [await docker("rm", "-f", gateway), await stopReplica()],
  };
}

async function startReplica(
  { program, rust }: Subject,
  network: readonly string[],
  rustProgram = "",
): Promise<[id: string, stop: () => Promise<unknown>]> {
  if (program === undefined && rust === undefined) {
    const { cpus } = limits;
    const container = await startContainer({ cpus, memory: "96m", args: network });
    return [container.id, () => container.stop()];
  }
  const id = await docker(
    ...["run", "-d", "--cpus", String(limits.cpus), "--memory", "96m", "--memory-swap", "96m"],
    ...["-e", "PORT=8000", "-e", "HOST=0.0.0.0", ...network],
    ...(program === undefined
      ? [
          ...["-v", `${rustProgram}:/peer:ro`, "-v", `${rustLibrary}:/onnxruntime.so:ro`],
          ...["-v", `${rustModel}:/model.onnx:ro`, "-e", "MODEL=/model.onnx"],
          ...["-e", "ORT_DYLIB_PATH=/onnxruntime.so", baseImages.node, "/peer"],
        ]
      : [
          ...["-v", `${bench}:/bench:ro`, baseImages.node, "node"],
          ...[...nodeFlags(chooseSizing(limits, 1)), `/bench/${program}`],
        ]),
  );
  return [id, () => docker("rm", "-f", id)];
}

/** CPU time of a container in seconds; where control groups are of version 1 or 2. */
async function cpuOf(id: string): Promise<number> {
  const files = "/sys/fs/cgroup/cpuacct/cpuacct.usage /sys/fs/cgroup/cpu.stat";
  const text = await docker("exec", id, "sh", "-c", `cat ${files} 2> /dev/null || true`);
  const [, micros] = /^usage_usec (\d+)/m.exec(text) ?? [];
  return micros === undefined ? parseInt(text) / 1e9 : Number(micros) / 1e6;
}

interface Load {
  readonly perSecond: number;
  readonly p99ms: number;
  readonly failed: number;
  /** CPU time of a request, in µs. */
  readonly replica: number;
  readonly gateway: number;
}

async function drive(
  { replica, gateway, url }: Running,
  connections: number,
  seconds: number,
  mayFail = false,
): Promise<Load> {
  const before = [await cpuOf(replica), await cpuOf(gateway)] as const;
  const { stdout } = await run("wrk", [
    ...["-t1", `-c${connections}`, `-d${seconds}s`, "-s", join(bench, "service/rows.lua"), url],
    ...["--", "sepal_length,sepal_width,petal_length,petal_width", "1"],
  ]);
  const after = [await cpuOf(replica), await cpuOf(gateway)] as const;
  const result = JSON.parse(/RESULT (.*)/.exec(stdout)?.[1] ?? "") as {
    requests: number;
    seconds: number;
    p99ms: number;
    failed: number;
  };
  const { requests, failed } = result;
  if (failed > 0 && !mayFail) throw new Error(`${failed} of ${requests} requests failed.`);
  return {
    perSecond: requests / result.seconds,
    p99ms: result.p99ms,
    failed,
    replica: ((after[0] - before[0]) * 1e6) / requests,
    gateway: ((after[1] - before[1]) * 1e6) / requests,
  };
}

/** What neighbours get while so many clients read nothing of their large replies. */
async function besideSlow(one: Running, slow: number, seconds: number): Promise<Load> {
  const stop = await slowReaders(slow, one.url);
  try {
    return await drive(one, NEIGHBOURS, seconds, true);
  } finally {
    stop();
  }
}

interface Beside {
  readonly name: Name;
  readonly slow: number;
  readonly load: Load;
}

function slowRow(name: Name, all: readonly Beside[]): string {
  const cells = SLOW.map((slow) => {
    const loads = all.flatMap((one) => (one.name === name && one.slow === slow ? [one.load] : []));
    const failed = loads.reduce((sum, load) => sum + load.failed, 0);
    const perSecond = thousands(median(loads.map((load) => load.perSecond)));
    return `${perSecond} / ${median(loads.map(({ p99ms }) => p99ms)).toFixed(0)} / ${thousands(failed)}`;
  });
  return `| ${subjects[name].title} | ${cells.join(" | ")} |`;
}

function row(name: Name, loads: readonly Load[]): string {
  const of = (value: (load: Load) => number): number => median(loads.map(value));
  const cells = [
    thousands(of(({ perSecond }) => perSecond)),
    of(({ p99ms }) => p99ms).toFixed(0),
    of(({ replica }) => replica).toFixed(1),
    of(({ gateway }) => gateway).toFixed(1),
  ];
  return `| ${subjects[name].title} | ${cells.join(" | ")} |`;
}

/** Requests for each second of a replica's CPU, as a part of what the Rust server has in its better protocol. */
function besideRust(loads: Readonly<Record<Name, readonly Load[]>>): string {
  const micros = (name: Name): number => median(loads[name].map(({ replica }) => replica));
  const part = Math.min(micros("rust1"), micros("rust2")) / micros("service");
  return `Requests for each second of a replica's CPU, this service over the Rust server: **${part.toFixed(2)}** (target 0.80).`;
}

async function main(): Promise<void> {
  const { values } = readCommand("bench:gateway", {
    options: {
      rounds: { type: "string", default: "5" },
      seconds: { type: "string", default: "5" },
      connections: { type: "string", default: "1000" },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) {
    process.stdout.write(help);
    return;
  }
  const { rounds, seconds, connections } = wholeNumbers({
    rounds: values.rounds,
    seconds: values.seconds,
    connections: values.connections,
  });
  needWrk();
  const rustProgram = await rustPeer();
  await buildImage();
  const dir = await mkdtemp(join(tmpdir(), "bench-gateway-"));
  // HAProxy reads it as a user of its own.
  await chmod(dir, 0o755);
  const network = `bench-gateway-${process.pid}`;
  await docker("network", "create", network);
  const names = (Object.keys(subjects) as Name[]).filter(
    (name) => rustProgram !== undefined || !("rust" in subjects[name]),
  );
  const loads = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<
    Name,
    Load[]
  >;
  const beside: Beside[] = [];
  const running: Partial<Record<Name, Running>> = {};
  try {
    for (const name of names) running[name] = await start(name, network, dir, rustProgram);
    await setTimeout(3000);
    // The first of them warms up.
    for (let round = 0; round <= rounds; round++) {
      for (const name of names) {
        const one = running[name];
        if (one === undefined) continue;
        const load = await drive(one, connections, seconds);
        process.stderr.write(`${name}, round ${round}: ${JSON.stringify(load)}\n`);
        if (round > 0) loads[name].push(load);
      }
    }
    for (let round = 0; round < rounds; round++) {
      for (const slow of SLOW) {
        for (const name of TRIED) {
          const one = running[name];
          if (one === undefined) continue;
          const load = await besideSlow(one, slow, seconds);
          process.stderr.write(`${name} beside ${slow}, round ${round}: ${JSON.stringify(load)}\n`);
          beside.push({ name, slow, load });
        }
      }
    }
  } finally {
    for (const one of Object.values(running)) await one.stop();
    await docker("network", "rm", network);
    await rm(dir, { recursive: true });
    await removeImage();
  }
  const lines = [
    `A replica of 0.2 CPU and 96 MB behind the stack's own gateway, ${thousands(connections)} connections of wrk that never wait, medians of ${rounds} interleaved rounds of ${seconds} s; ${cpus()[0]?.model.trim() ?? "?"}, Node ${process.version}.`,
    "",
    "| iris, one row | requests/s | p99 ms | replica's CPU µs a request | gateway's |",
    "|---|---|---|---|---|",
    ...names.map((name) => row(name, loads[name])),
    "",
    rustProgram === undefined ? rustMissing : besideRust(loads),
    "",
    `${NEIGHBOURS} connections while others have asked for 1.7 MB and read nothing: requests/s / p99 ms / requests that failed or took longer than 2 s, over ${rounds} rounds.`,
    "",
    `| the gateway speaks to | ${SLOW.map((slow) => `${slow} who do not read`).join(" | ")} |`,
    `|---|${SLOW.map(() => "---|").join("")}`,
    ...TRIED.map((name) => slowRow(name, beside)),
    "",
  ];
  await writeSection("gateway", "A small replica behind its gateway", lines);
  process.stdout.write(`${lines.join("\n")}\n`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
