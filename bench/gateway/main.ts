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
import { writeSection } from "../section.ts";

const run = promisify(execFile);
const bench = join(import.meta.dirname, "..");
const limits = { cpus: 0.2, memoryBytes: 96 * 1024 ** 2 };

const help = `npm run bench:gateway [-- --rounds 5 --seconds 5 --connections 1000]

Measures a replica of 0.2 CPU and 96 MB behind the stack's own gateway beside bare Node servers, and
writes the table in docs/benchmarks.md. Needs wrk, a Docker engine, and two cores with little else to do.
`;

/** HTTP/1.1 or HTTP/2 to the replica; undefined as the stack has it. */
type Protocol = "h1" | undefined;

interface Subject {
  readonly title: string;
  readonly protocol: Protocol;
  /** The program in bench/gateway or bench/service; without one it is the service. */
  readonly program?: string;
}

const subjects = {
  bare: {
    title: "bare `node:http`: parse JSON, reply, no model",
    protocol: "h1",
    program: "service/bare.ts",
  },
  bare2: {
    title: "bare `node:http2`, the same",
    protocol: undefined,
    program: "gateway/bare-http2.ts",
  },
  http1: { title: "this service, spoken to in HTTP/1.1", protocol: "h1" },
  service: { title: "this service, as the stack has it", protocol: undefined },
} as const satisfies Record<string, Subject>;
type Name = keyof typeof subjects;

const docker = async (...args: string[]): Promise<string> =>
  (await run("docker", args)).stdout.trim();

interface Running {
  readonly replica: string;
  readonly gateway: string;
  readonly url: string;
  stop(): Promise<unknown>;
}

async function start(name: Name, network: string, dir: string): Promise<Running> {
  const { program, protocol }: Subject = subjects[name];
  const joins = ["--network", network, "--network-alias", `replica-${name}`];
  const [replica, stopReplica] = await startReplica(program, joins);
  const config = gatewayConfig({ serviceName: `replica-${name}`, deadline: 10_000 });
  const file = `${name}.cfg`;
  await writeFile(
    join(dir, file),
    protocol === "h1" ? config.replaceAll("proto h2 check-proto h1 ", "") : config,
  );
  const gateway = await docker(
    ...["run", "-d", "--network", network, "--cpus", "1", "--tmpfs", "/run/haproxy:mode=1777"],
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
  program: string | undefined,
  network: readonly string[],
): Promise<[id: string, stop: () => Promise<unknown>]> {
  if (program === undefined) {
    const container = await startContainer({ cpus: limits.cpus, memory: "96m", args: network });
    return [container.id, () => container.stop()];
  }
  const id = await docker(
    ...["run", "-d", "--cpus", String(limits.cpus), "--memory", "96m", "--memory-swap", "96m"],
    ...["-e", "PORT=8000", "-e", "HOST=0.0.0.0", "-v", `${bench}:/bench:ro`, ...network],
    ...[baseImages.node, "node", ...nodeFlags(chooseSizing(limits, 1)), `/bench/${program}`],
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
  /** CPU time of a request, in µs. */
  readonly replica: number;
  readonly gateway: number;
}

async function drive(
  { replica, gateway, url }: Running,
  connections: number,
  seconds: number,
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
  if (failed > 0) throw new Error(`${failed} of ${requests} requests failed.`);
  return {
    perSecond: requests / result.seconds,
    p99ms: result.p99ms,
    replica: ((after[0] - before[0]) * 1e6) / requests,
    gateway: ((after[1] - before[1]) * 1e6) / requests,
  };
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
  await buildImage();
  const dir = await mkdtemp(join(tmpdir(), "bench-gateway-"));
  // HAProxy reads it as a user of its own.
  await chmod(dir, 0o755);
  const network = `bench-gateway-${process.pid}`;
  await docker("network", "create", network);
  const names = Object.keys(subjects) as Name[];
  const loads = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<
    Name,
    Load[]
  >;
  const running: Partial<Record<Name, Running>> = {};
  try {
    for (const name of names) running[name] = await start(name, network, dir);
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
