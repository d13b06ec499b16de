// npm run bench:loadtest: load generators side by side in one run, one core each, against nginx on
// the other; then what thinking users cost. Writes its table into docs/benchmarks.md.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import { root } from "../../toolchain/clone.mjs";
import { readCommand, UsageError } from "../../toolchain/command.mjs";
import { cpuSeconds, median, thousands } from "../measure.ts";
import { writeSection } from "../section.ts";
import { connections, generators, ownRows, which, type Generator } from "./generators.ts";
import { startNginx, type Server } from "./nginx.ts";

const help = `Usage: npm run bench:loadtest [-- --rounds 5 --seconds 5 --users 10000 --install]

Compares the load test with wrk, autocannon, Locust and, where they are here, oha and k6: requests a
second on one core against nginx on the other, medians of interleaved rounds. Writes the table in
docs/benchmarks.md. Needs nginx, wrk, taskset, Python 3 and two cores with little else to do.

  --rounds N    rounds of all generators (5)
  --seconds N   of each generator in each round (5)
  --users N     users with a think time of one second, for CPU and memory a user (10000)
  --install     also build k6 (with Go) and oha (with cargo): minutes
`;

/** What one generator did once it was warm. */
interface Result {
  /** Requests a second, by the server's count. */
  rate: number;
  /** CPU time of the generator for one request, µs. */
  cpuMicros: number;
  /** How busy the server's core was, 0..1. */
  server: number;
}

const serverCore = 0;
const generatorCore = 1;

const say = (line: string): void => {
  console.error(line);
};

/** From start to warm: Python's imports, JavaScript's compiler; and until all who think are there. */
const warmUp = { busy: 3, thinking: 14 };

/** One generator once. Throws when it sends too little to be compared. */
async function measure(
  generator: Generator,
  server: Server,
  seconds: number,
  warmUpSeconds: number,
): Promise<Result> {
  const child = spawn(
    "taskset",
    ["-c", String(generatorCore), ...generator.command(server.url, warmUpSeconds + seconds + 1)],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (text: Buffer) => (output += text.toString()));
  }
  const closed = once(child, "close");
  const look = async () => ({
    at: performance.now(),
    requests: await server.answered(),
    cpu: cpuSeconds(child.pid ?? 0),
    server: cpuSeconds(server.pid),
  });
  await sleep(warmUpSeconds);
  const before = await look();
  await sleep(seconds);
  const after = await look();
  await closed;
  const requests = after.requests - before.requests;
  if (requests < 100) throw new Error(`${generator.name} did not run:\n${output.slice(-800)}`);
  const passed = (after.at - before.at) / 1000;
  return {
    rate: requests / passed,
    cpuMicros: ((after.cpu - before.cpu) * 1e6) / requests,
    server: (after.server - before.server) / passed,
  };
}

const residentBytes = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) * 1024;

const sleep = (seconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/** What so many users, each waiting a second after each reply, cost once they are all there. */
async function think(url: string, users: number) {
  const measured = 20;
  const ramp = users / 1000;
  const child = spawn("taskset", [
    "-c",
    String(generatorCore),
    process.execPath,
    join(root, "loadtest/main.ts"),
    "run",
    "-H",
    url,
    "--data",
    ownRows(),
    "-u",
    String(users),
    "-r",
    "1000",
    "-t",
    `${ramp + measured + 15}s`,
    "--only-summary",
  ]);
  let output = "";
  child.stdout.on("data", (text: Buffer) => (output += text.toString()));
  const closed = once(child, "close");
  const pid = child.pid ?? 0;
  await sleep(ramp + 8);
  const before = cpuSeconds(pid);
  await sleep(measured);
  const cores = (cpuSeconds(pid) - before) / measured;
  const bytes = residentBytes(pid);
  await closed;
  const failures = Number(/Aggregated +\d+ +(\d+)/.exec(output)?.[1] ?? NaN);
  return { cores, bytes, failures };
}

async function main(): Promise<void> {
  const { values } = readCommand("bench:loadtest", {
    options: {
      rounds: { type: "string", default: "5" },
      seconds: { type: "string", default: "5" },
      users: { type: "string", default: "10000" },
      install: { type: "boolean", default: false },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) {
    console.log(help);
    return;
  }
  const needed = ["nginx", "wrk", "taskset"].filter((program) => which(program) === undefined);
  if (needed.length > 0 || availableParallelism() < 2) {
    console.error(
      needed.length > 0
        ? `Not here: ${needed.join(", ")}; install them (apt-get install nginx-light wrk util-linux).`
        : "Two cores are needed: one for nginx, one for the generators.",
    );
    process.exitCode = 2;
    return;
  }
  const [rounds, seconds, users] = [values.rounds, values.seconds, values.users].map(Number) as [
    number,
    number,
    number,
  ];
  const { here, thinking, missing } = await generators(values.install);
  const server = await startNginx(serverCore);
  const results = new Map(here.map((one) => [one.name, [] as Result[]]));
  for (let round = 0; round < rounds; round += 1) {
    for (const one of here) {
      const result = await measure(one, server, seconds, warmUp.busy);
      results.get(one.name)?.push(result);
      say(
        `round ${round + 1}  ${one.name.padEnd(22)} ${thousands(result.rate).padStart(8)} requests/s  ${result.cpuMicros.toFixed(1)} µs CPU each`,
      );
    }
  }
  const most: Result[] = [];
  for (const one of thinking) {
    const result = await measure(one, server, seconds, warmUp.thinking);
    most.push(result);
    say(
      `thinking users: ${one.name}, ${thousands(result.rate)} requests/s, ${result.cpuMicros.toFixed(1)} µs CPU each, nginx ${Math.round(result.server * 100)}% busy`,
    );
  }
  say(`${thousands(users)} users who wait a second …`);
  const few = await think(server.url, 100);
  const many = await think(server.url, users);
  await server.stop();

  const us = results.get("this load test") ?? [];
  // Ratios within each round: what else the machine does weighs on both sides alike.
  const against = (other: readonly Result[]): number =>
    median(us.map((one, i) => (other[i]?.cpuMicros ?? NaN) / one.cpuMicros));
  const rows = here.map((one) => {
    const list = results.get(one.name) ?? [];
    const middle = (value: (result: Result) => number): number => median(list.map(value));
    const cpu = middle(({ cpuMicros }) => cpuMicros);
    return `| ${[
      one.name,
      thousands(middle(({ rate }) => rate)),
      `${Math.round(middle(({ server: share }) => share) * 100)}%`,
      cpu.toFixed(1),
      thousands(1e6 / cpu),
      against(list).toFixed(2),
      one.goal ?? "",
    ].join(" | ")} |`;
  });
  const perUser = (many.bytes - few.bytes) / (users - 100);
  const lines = [
    `One core for the generator, one for nginx, ${connections} connections, the same POST, medians of ${rounds} interleaved rounds of ${seconds} s after ${warmUp.busy} s of warm-up, counted by nginx; ${cpus()[0]?.model ?? ""}, Node ${process.version}. Each reply is parsed to its last byte, checked and recorded. On two cores the fastest are held up by nginx itself, so what a core is good for is told by the CPU time of a request.`,
    "",
    "| generator | requests/s | nginx busy | CPU µs a request | requests/s a core is good for | this load test: times as many | goal |",
    "|---|---|---|---|---|---|---|",
    ...rows,
    "",
    `Users who think, more than a core serves: ${thinking
      .map(({ name }, i) => {
        const {
          rate,
          cpuMicros,
          server: busy,
        } = most[i] ?? { rate: NaN, cpuMicros: NaN, server: NaN };
        return `${name} **${thousands(rate)}** requests/s (nginx ${Math.round(busy * 100)}% busy), ${cpuMicros.toFixed(1)} µs of CPU each`;
      })
      .join(
        "; ",
      )}: with a core **${((most[1]?.cpuMicros ?? NaN) / (most[0]?.cpuMicros ?? NaN)).toFixed(1)} times** as many (goal: 25).`,
    "",
    `${thousands(users)} users who each wait a second after each reply: **${(many.cores * 100).toFixed(1)}%** of one core (goal: 20%), **${(perUser / 1000).toFixed(1)} kB** of memory a user (goal: 8 kB; ${(many.bytes / 1e6).toFixed(0)} MB in all), ${many.failures} failures.`,
    ...(missing.length > 0 ? ["", `Not measured, because not here: ${missing.join(", ")}.`] : []),
    "",
  ];
  await writeSection("loadtest", "The load test beside its peers", lines);
  console.log(lines.join("\n"));
}

try {
  await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
