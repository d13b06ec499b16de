// Starts this project's processes for a test, and sees to their end.
import { execFileSync, fork, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { DriveOutput } from "../../loadtest/drive.ts";
import type { RunRequest } from "../../loadtest/run-request.ts";
import { root } from "../../toolchain/clone.mjs";
import { freePort } from "../port.ts";

const main = join(root, "loadtest/main.ts");

export interface Finished {
  code: number | null;
  stdout: string;
  stderr: string;
}

/**
 * For a test of precise times: this process before all others, where that is allowed. By the real-time
 * class, as a niceness counts only among the processes of one session.
 */
export function prefer(pid: number): void {
  try {
    execFileSync("chrt", ["--all-tasks", "--fifo", "--pid", "1", String(pid)], { stdio: "ignore" });
  } catch {
    // Only root may.
  }
}

/** Runs `loadtest/main.ts` to its end. */
export function runMain(...args: string[]): { child: ChildProcess; finished: Promise<Finished> } {
  const child = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (text: Buffer) => (stdout += text.toString()));
  child.stderr.on("data", (text: Buffer) => (stderr += text.toString()));
  const finished = once(child, "close").then(([code]) => ({
    code: code as number | null,
    stdout,
    stderr,
  }));
  return { child, finished };
}

export interface Helper<T> {
  pid: number;
  url: string;
  ask: () => Promise<T>;
  end: () => void;
}

/** A process that says a port when it is ready, and answers each message with one. */
export async function helper<T>(file: string): Promise<Helper<T>> {
  const child = fork(join(root, "test/loadtest", file));
  const [{ port }] = (await once(child, "message")) as [{ port: number }];
  return {
    pid: child.pid ?? 0,
    url: `http://127.0.0.1:${port}`,
    ask: async () => {
      const answer = once(child, "message");
      child.send("report");
      return (await answer)[0] as T;
    },
    end: () => {
      child.disconnect();
    },
  };
}

export interface Cluster {
  url: string;
  masterPid: number;
  workerPort: number;
  startWorker: () => ChildProcess;
  /** Asks for a run, or a try of what it would send, as the stack's own commands do; the lines it is told. */
  drive: (request: RunRequest, what?: "run" | "try") => Promise<DriveOutput[]>;
  end: () => void;
}

/** A master with its page, and workers as they are started, all on this machine. */
export async function cluster(target: string, token?: string): Promise<Cluster> {
  const dir = mkdtempSync(join(tmpdir(), "cluster-"));
  const [port, workerPort] = [await freePort(), await freePort()];
  writeFileSync(join(dir, "secret"), "a secret of this test");
  writeFileSync(join(dir, "token"), token ?? "");
  const settings = join(dir, "settings.json");
  writeFileSync(
    settings,
    JSON.stringify({
      target,
      masterAddress: `127.0.0.1:${workerPort}`,
      secretFile: join(dir, "secret"),
      ...(token === undefined ? {} : { tokenFile: join(dir, "token") }),
      runsDir: join(dir, "runs"),
      processes: 1,
      listen: { host: "127.0.0.1", port, workerPort },
    }),
  );
  const children: ChildProcess[] = [];
  const start = (role: string): ChildProcess => {
    const child = spawn(process.execPath, [main, role, "--settings", settings], {
      stdio: "ignore",
    });
    children.push(child);
    return child;
  };
  const { pid = 0 } = start("master");
  const url = `http://127.0.0.1:${port}`;
  await until(async () => (await fetch(`${url}/healthz`)).ok);
  return {
    url,
    masterPid: pid,
    workerPort,
    startWorker: () => start("worker"),
    drive: async (request, what = "run") => {
      const child = spawn(process.execPath, [main, "drive", "--settings", settings], {
        stdio: ["pipe", "pipe", "inherit"],
      });
      children.push(child);
      child.stdin.write(`${JSON.stringify({ [what]: request })}\n`);
      const lines: DriveOutput[] = [];
      for await (const line of createInterface({ input: child.stdout })) {
        lines.push(JSON.parse(line) as DriveOutput);
      }
      return lines;
    },
    end: () => {
      for (const child of children) child.kill("SIGKILL");
    },
  };
}

/** Waits until `check` is true; a throw means not yet. Throws after `seconds`. */
export async function until(check: () => Promise<boolean>, seconds = 30): Promise<void> {
  const deadline = performance.now() + seconds * 1000;
  for (;;) {
    if (await check().catch(() => false)) return;
    if (performance.now() > deadline)
      throw new Error(`still not so after ${seconds} s: ${String(check)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
