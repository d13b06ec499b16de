// The load generators that are compared: how each is got, called and read.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { root } from "../../toolchain/clone.mjs";

export const connections = 64;

export interface Generator {
  name: string;
  /** The command that loads `url` for so many seconds. */
  command: (url: string, seconds: number) => string[];
  /** How many times its requests per second ours is to send. */
  goal?: number;
}

const cache = join(
  process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"),
  "inference-stack/bench",
);

const body = '{"sepal_length":5.1,"sepal_width":3.5,"petal_length":1.4,"petal_width":0.2}';

/** The path of a program, or undefined. */
export function which(program: string): string | undefined {
  try {
    return execFileSync("sh", ["-c", `command -v ${program}`], { encoding: "utf8" }).trim();
  } catch {
    return undefined;
  }
}

function file(name: string, text: string): string {
  mkdirSync(cache, { recursive: true });
  const path = join(cache, name);
  writeFileSync(path, text);
  return path;
}

/** What nginx is sent by this load test: it describes nothing itself. */
export const ownRows = (): string => file("rows.json", `[${body}]`);

/** How many users, how fast they come, and the seconds each waits after a reply. */
interface Users {
  users: number;
  perSecond: number;
  think: number;
}

/** 64 connections, each always busy. */
const busy: Users = { users: connections, perSecond: 1000, think: 0 };

/** The program as its image has it: one bundled file. */
async function bundled(): Promise<string> {
  const program = join(cache, "loadtest/main.mjs");
  await build({
    entryPoints: [join(root, "loadtest/main.ts")],
    outfile: program,
    bundle: true,
    platform: "node",
    target: "node24",
    format: "esm",
    external: ["esbuild"],
    banner: {
      js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);',
    },
    logLevel: "error",
  });
  return program;
}

const ours = (program: string, { users, perSecond, think }: Users): Generator => ({
  name: "this load test",
  command: (url, seconds) => [
    process.execPath,
    program,
    "run",
    "-H",
    url,
    "--data",
    ownRows(),
    "-u",
    String(users),
    "-r",
    String(perSecond),
    "-t",
    `${seconds}s`,
    "--think-time",
    String(think),
    "--stop-timeout",
    "1s",
    "--only-summary",
  ],
});

function wrk(): Generator | undefined {
  const program = which("wrk");
  if (program === undefined) return undefined;
  const script = file(
    "post.lua",
    `wrk.method = "POST"\nwrk.body = '${body}'\nwrk.headers["content-type"] = "application/json"\n`,
  );
  return {
    name: "wrk",
    goal: 1,
    command: (url, seconds) => [
      program,
      "-t1",
      `-c${connections}`,
      `-d${seconds}`,
      "-s",
      script,
      `${url}/predict`,
    ],
  };
}

function autocannon(install: boolean): Generator | undefined {
  const dir = join(cache, "autocannon");
  const program = join(dir, "node_modules/autocannon/autocannon.js");
  if (!existsSync(program)) {
    if (!install) return undefined;
    mkdirSync(dir, { recursive: true });
    execFileSync("npm", ["install", "--silent", "--prefix", dir, "autocannon@8.0.0"], {
      stdio: "inherit",
    });
  }
  return {
    name: "autocannon",
    goal: 1.2,
    command: (url, seconds) => [
      process.execPath,
      program,
      "-c",
      String(connections),
      "-d",
      String(seconds),
      "-m",
      "POST",
      "-H",
      "content-type=application/json",
      "-b",
      body,
      "--json",
      "--no-progress",
      `${url}/predict`,
    ],
  };
}

function k6(install: boolean): Generator | undefined {
  let program = which("k6") ?? join(cache, "k6");
  if (!existsSync(program)) {
    if (!install || which("go") === undefined) return undefined;
    execFileSync(
      "go",
      ["install", "-p", "1", "-trimpath", "-ldflags=-s -w", "go.k6.io/k6@v1.8.1"],
      {
        stdio: "inherit",
        env: { ...process.env, GOBIN: cache, GOFLAGS: "-mod=mod" },
      },
    );
    program = join(cache, "k6");
  }
  const script = file(
    "post.js",
    `import http from "k6/http";
     const body = ${JSON.stringify(body)};
     const params = { headers: { "content-type": "application/json" } };
     export default function () { http.post(__ENV.TARGET + "/predict", body, params); }`,
  );
  return {
    name: "k6",
    goal: 4,
    command: (url, seconds) => [
      program,
      "run",
      "--quiet",
      "--vus",
      String(connections),
      "--duration",
      `${seconds}s`,
      "-e",
      `TARGET=${url}`,
      script,
    ],
  };
}

function oha(install: boolean): Generator | undefined {
  let program = which("oha") ?? join(cache, "bin/oha");
  if (!existsSync(program)) {
    if (!install || which("cargo") === undefined) return undefined;
    execFileSync(
      "cargo",
      [
        "install",
        "--locked",
        "-j",
        "1",
        "--root",
        cache,
        "oha@1.8.0",
        "--no-default-features",
        "--features",
        "rustls",
      ],
      { stdio: "inherit" },
    );
    program = join(cache, "bin/oha");
  }
  return {
    name: "oha",
    command: (url, seconds) => [
      program,
      "--no-tui",
      "-c",
      String(connections),
      "-z",
      `${seconds}s`,
      "-m",
      "POST",
      "-T",
      "application/json",
      "-d",
      body,
      `${url}/predict`,
    ],
  };
}

function locust(
  kind: "FastHttpUser" | "HttpUser",
  { users, perSecond, think }: Users,
  install: boolean,
): Generator | undefined {
  const dir = join(cache, "locust");
  const program = join(dir, "bin/locust");
  if (!existsSync(program)) {
    if (!install) return undefined;
    execFileSync("python3", ["-m", "venv", dir], { stdio: "inherit" });
    execFileSync(join(dir, "bin/pip"), ["install", "--quiet", "locust==2.47.0"], {
      stdio: "inherit",
    });
  }
  const script = file(
    `${kind}-${think}.py`,
    `from locust import ${kind}, constant, task
class Predictor(${kind}):
    wait_time = constant(${think})
    @task
    def predict(self):
        self.client.post("/predict", data='${body}', headers={"content-type": "application/json"})
`,
  );
  return {
    name: `Locust, ${kind}`,
    ...(kind === "FastHttpUser" ? { goal: 25 } : {}),
    command: (url, seconds) => [
      program,
      "-f",
      script,
      "--headless",
      "-u",
      String(users),
      "-r",
      String(perSecond),
      "-t",
      `${seconds}s`,
      "-H",
      url,
      "--only-summary",
    ],
  };
}

/** Those that are here; with `install`, those that can be got. Ours comes first. */
export async function generators(install: boolean): Promise<{
  /** 64 connections, each always busy. */
  here: Generator[];
  /** Users who think, more than one core can serve. */
  thinking: Generator[];
  missing: string[];
}> {
  const program = await bundled();
  const all: [string, Generator | undefined][] = [
    ["this load test", ours(program, busy)],
    ["wrk", wrk()],
    ["oha", oha(install)],
    ["autocannon", autocannon(true)],
    ["k6", k6(install)],
    ["Locust", locust("FastHttpUser", busy, true)],
    ["Locust", locust("HttpUser", busy, true)],
  ];
  const thinking = [
    ours(program, { users: 10_000, perSecond: 2000, think: 0.1 }),
    // It falls behind from about 3,000 on: more of them would only wait longer.
    locust("FastHttpUser", { users: 5000, perSecond: 500, think: 1 }, true),
  ];
  return {
    here: all.flatMap(([, one]) => one ?? []),
    thinking: thinking.flatMap((one) => one ?? []),
    missing: all.flatMap(([name, one]) => (one === undefined ? [name] : [])),
  };
}
