// What attacks cost others: a neighbour's requests, and the containers of the stack.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { promisify } from "node:util";
import { dockerLines } from "../../clone.ts";
import type { Seen } from "../../open-loop.ts";

/** Somebody with requests of their own, at a constant rate. */
export function neighbour(url: string, rate: number) {
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, "../../open-loop.ts"), "--url", url, "--rate", String(rate)],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  return {
    async stop(): Promise<Seen> {
      child.kill("SIGTERM");
      await once(child, "close");
      return JSON.parse(text) as Seen;
    },
  };
}

export const lost = ({ failed }: Seen): number =>
  Object.values(failed).reduce((sum, count) => sum + count, 0);

/** How often containers started again, and who has been out of memory since they were made. */
export function restarts(ids: readonly string[]): number {
  const format = "{{.RestartCount}} {{.State.OOMKilled}}";
  return dockerLines("inspect", "-f", format, ...ids)
    .map((line) => line.split(" "))
    .reduce((sum, [count, oom]) => sum + Number(count) + (oom === "true" ? 1 : 0), 0);
}

const units: Readonly<Record<string, number>> = {
  B: 1 / 1024 ** 2,
  KiB: 1 / 1024,
  MiB: 1,
  GiB: 1024,
};

const run = promisify(execFile);

/** MiB that each container uses, as the engine counts them. Takes it seconds: nothing waits for it. */
async function memory(ids: readonly string[]): Promise<number[]> {
  const { stdout } = await run("docker", [
    ...["stats", "--no-stream", "--format", "{{.MemUsage}}"],
    ...ids,
  ]);
  return stdout
    .trim()
    .split("\n")
    .map((line) => {
      const [, number = "0", unit = "B"] = /^([\d.]+)(\w+)/.exec(line) ?? [];
      return Number(number) * (units[unit] ?? 0);
    });
}

/** The most that any of them used until it is asked. */
export function peakMemory(ids: readonly string[]): () => Promise<number> {
  let peak = 0;
  const ended = new AbortController();
  const look = async (): Promise<void> => {
    try {
      peak = Math.max(peak, ...(await memory(ids)));
    } catch {
      // One of them has just ended: its restart is counted elsewhere.
    }
  };
  const looks = (async () => {
    while (!ended.signal.aborted) await look();
  })();
  return async () => {
    ended.abort();
    await looks;
    return peak;
  };
}
