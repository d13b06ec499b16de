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
  /** The command that loads `url` for some seconds with 64 connections. */
  command: (url: string, seconds: number) => string[];
  /** How many requests it says were answered. */
  requests: (output: string, seconds: number) => number;
}

const cache = join(
  process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"),
  "inference-stack/bench",
);

const body = '{"sepal_length":5.1,"sepal_width":3.5,"petal_length":1.4,"petal_width":0.2}';

const numberIn = (output: string, pattern: RegExp): number =>
  Number(pattern.exec(output)?.[1]?.replaceAll(",", "") ?? NaN);

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

/** The program as its image has it: one bundled file. */
async function ours(): Promise<Generator> {
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
  return {
    name: "this load test",
    command: (url, seconds) => [
      process.execPath,
      program,
      "run",
      "-H",
      url,
      "-u",
      String(connections),
      "-r",
      "100000",
      "-t",
      `${seconds}s`,
      "--think-time",
      "0",
      "--only-summary",
    ],
    requests: (output) => numberIn(output, /Aggregated +(\d+)/),
  };
}

function wrk(): Generator | undefined {
  const program = which("wrk");
  if (program === undefined) return undefined;
  const script = file(
    "post.lua",
    `wrk.method = "POST"\nwrk.body = '${body}'\nwrk.headers["content-type"] = "application/json"\n`,
  );
  return {
    name: "wrk",
    command: (url, seconds) => [
      program,
      "-t1",
      `-c${connections}`,
      `-d${seconds}`,
      "-s",
      script,
      `${url}/predict`,
    ],
    requests: (output) => numberIn(output, /(\d+) requests in/),
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
    requests: (output) => numberIn(output, /"2xx":(\d+)/),
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
    requests: (output) => numberIn(output, /http_reqs[^:]*: *(\d+)/),
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
    requests: (output, seconds) =>
      Math.round(numberIn(output, /Requests\/sec:\s+([\d.]+)/) * seconds),
  };
}

function locust(install: boolean): Generator | undefined {
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
    "locustfile.py",
    `from locust import FastHttpUser, constant, task
class Predictor(FastHttpUser):
    wait_time = constant(0)
    @task
    def predict(self):
        self.client.post("/predict", data='${body}', headers={"content-type": "application/json"})
`,
  );
  return {
    name: "Locust, FastHttpUser",
    command: (url, seconds) => [
      program,
      "-f",
      script,
      "--headless",
      "-u",
      String(connections),
      "-r",
      "1000",
      "-t",
      `${seconds}s`,
      "-H",
      url,
      "--only-summary",
    ],
    requests: (output) => numberIn(output, /Aggregated\s+(\d+)/),
  };
}

/**
 * Those that are here; with `install`, those that can be got.
 * @returns generators, ours first, and the names of those that are not here
 */
export async function generators(
  install: boolean,
): Promise<{ here: Generator[]; missing: string[] }> {
  const all: [string, Generator | undefined][] = [
    ["this load test", await ours()],
    ["wrk", wrk()],
    ["oha", oha(install)],
    ["autocannon", autocannon(true)],
    ["k6", k6(install)],
    ["Locust", locust(true)],
  ];
  return {
    here: all.flatMap(([, one]) => (one === undefined ? [] : [one])),
    missing: all.flatMap(([name, one]) => (one === undefined ? [name] : [])),
  };
}
