// The service as a process of its own, for tests that need a real one.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../port.ts";

export const ROOT = join(import.meta.dirname, "../..");

export interface RunningService {
  readonly url: string;
  readonly port: number;
  /** Resident memory in MB. */
  memoryMB(): number;
  stop(): Promise<number | null>;
}

/** Starts `node service/main.ts` on a free port and waits until it is ready. */
export async function startService(
  settings: Readonly<Record<string, string>> = {},
  nodeFlags: readonly string[] = [],
): Promise<RunningService> {
  const port = await freePort();
  const child: ChildProcess = spawn(
    process.execPath,
    [...nodeFlags, join(ROOT, "service/main.ts")],
    {
      env: {
        ...process.env,
        LOG_LEVEL: "error",
        DRAIN_DELAY: "0s",
        ...settings,
        PORT: String(port),
      },
      stdio: ["ignore", "inherit", "inherit"],
    },
  );
  const url = `http://127.0.0.1:${port}`;
  await untilReady(url);
  return {
    url,
    port,
    memoryMB: () => {
      const status = readFileSync(`/proc/${String(child.pid)}/status`, "utf8");
      return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
    },
    stop: async () => {
      child.kill("SIGTERM");
      const [code] = (await once(child, "exit")) as [number | null];
      return code;
    },
  };
}

/** Settles when `/readyz` says so. Throws Error after half a minute. */
export async function untilReady(url: string): Promise<void> {
  for (let i = 0; i < 300; i++) {
    const ready = await fetch(`${url}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (ready) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`${url} was not ready within 30 s`);
}
