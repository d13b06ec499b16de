// A load test on this host: a master and one worker, as their containers run them.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { root } from "../../toolchain/clone.mjs";
import type { ToldSearch } from "../../loadtest/told-search.ts";
import { freePort } from "../port.ts";

export interface LoadTest {
  readonly url: string;
  /** Tells the page of a capacity search, as the search's own command does. */
  tell(search: ToldSearch): Promise<void>;
  /** Ends the master and, when `meanwhile` is over, starts it again. */
  restartMaster(meanwhile: () => Promise<void>): Promise<void>;
  stop(): Promise<void>;
}

/** @param targetPort port, on loopback, of what is loaded; its /metrics are read there too */
export async function startLoadTest(targetPort: number, token?: string): Promise<LoadTest> {
  const dir = mkdtempSync(join(tmpdir(), "loadtest-"));
  const [port, workerPort] = [await freePort(), await freePort()];
  const file = (name: string, text: string): string => {
    writeFileSync(join(dir, name), text, { mode: 0o600 });
    return join(dir, name);
  };
  const shared = {
    target: `http://127.0.0.1:${targetPort}`,
    secretFile: file("secret", "a secret of master and worker"),
    ...(token === undefined ? {} : { tokenFile: file("token", token) }),
  };
  const master = file(
    "master.json",
    JSON.stringify({
      ...shared,
      listen: { host: "127.0.0.1", port, workerPort },
      runsDir: join(dir, "runs"),
      stack: { name: "ui-test", platform: "container" },
      scrape: { dns: "127.0.0.1", port: targetPort },
    }),
  );
  const worker = file(
    "worker.json",
    JSON.stringify({ ...shared, masterAddress: `127.0.0.1:${workerPort}`, processes: 1 }),
  );
  const start = (part: string, settings: string): ChildProcess =>
    spawn(process.execPath, ["loadtest/main.ts", part, "--settings", settings], {
      cwd: root,
      stdio: ["ignore", "ignore", "inherit"],
    });
  const url = `http://127.0.0.1:${port}`;
  const answers = (): Promise<boolean> =>
    fetch(`${url}/healthz`).then(
      ({ ok }) => ok,
      () => false,
    );
  const startMaster = async (): Promise<ChildProcess> => {
    const child = start("master", master);
    const deadline = performance.now() + 30_000;
    while (!(await answers())) {
      if (performance.now() > deadline) throw new Error("The master does not answer.");
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return child;
  };
  let masterProcess = await startMaster();
  const workerProcess = start("worker", worker);
  return {
    url,
    async tell(search) {
      const child = spawn(process.execPath, ["loadtest/main.ts", "tell", "--settings", master], {
        cwd: root,
        stdio: ["pipe", "ignore", "inherit"],
      });
      child.stdin.end(JSON.stringify(search));
      const [code] = (await once(child, "exit")) as [number | null];
      if (code !== 0) throw new Error(`The search could not be told: ${code ?? "by a signal"}.`);
    },
    async restartMaster(meanwhile) {
      await end(masterProcess);
      await meanwhile();
      masterProcess = await startMaster();
    },
    async stop() {
      await Promise.all([end(workerProcess), end(masterProcess)]);
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function end(child: ChildProcess): Promise<unknown> {
  const over = new Promise((resolve) => child.once("exit", resolve));
  child.kill();
  return over;
}
