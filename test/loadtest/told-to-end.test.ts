import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { root } from "../../toolchain/clone.mjs";
import { helper, until } from "./processes.ts";
import type { Recorded } from "./scripted-server.ts";

let server: Awaited<ReturnType<typeof helper<Recorded>>>;
beforeAll(async () => {
  server = await helper<Recorded>("scripted-server.ts");
});
afterAll(() => {
  server.end();
});

const cli = join(root, "loadtest/cli.ts");
const node = [process.execPath, cli];
const npm = ["npm", "run", "-s", "loadtest", "--"];

/** A run of twenty users under way, by its command or by npm, at the head of a process group. */
async function underWay([program = "", ...first]: readonly string[], processes: number) {
  await server.ask();
  const files = join(mkdtempSync(join(tmpdir(), "told-to-end-")), "run");
  const args = ["--local", "-H", server.url, "-u", "20", "-r", "100", "--only-summary"];
  const child: ChildProcess = spawn(
    program,
    [...first, ...args, "--processes", String(processes), "--csv", files],
    { cwd: root, detached: true, stdio: ["ignore", "pipe", "pipe"] },
  );
  let seen = 0;
  await until(async () => (seen += (await server.ask()).count) > 40);
  return {
    child,
    /** How many replies the server gave, and how many the run's files have. */
    counts: async (): Promise<{ server: number; files: number }> => {
      await until(() => Promise.resolve(existsSync(`${files}_stats.csv`)));
      // Whoever still sends would do so within the second that a user thinks.
      let fresh: number;
      do {
        await new Promise((resolve) => setTimeout(resolve, 1500));
        seen += fresh = (await server.ask()).count;
      } while (fresh > 0);
      const rows = readFileSync(`${files}_stats.csv`, "utf8").split("\r\n");
      const total = rows.find((row) => row.startsWith(",Aggregated,"));
      return { server: seen, files: Number(total?.split(",")[2]) };
    },
  };
}

test("SIGTERM ends a local run as Ctrl-C does, with its files", async () => {
  const { child, counts } = await underWay(node, 1);
  child.kill("SIGTERM");
  expect(await once(child, "exit")).toEqual([0, null]);
  const { server, files } = await counts();
  expect(files).toBe(server);
});

test("a terminal that closes does so too: its signal comes to all processes, and counts once", async () => {
  const { child, counts } = await underWay(node, 2);
  process.kill(-(child.pid ?? 0), "SIGHUP");
  expect(await once(child, "exit")).toEqual([0, null]);
  const { server, files } = await counts();
  expect(files).toBe(server);
});

test.each([
  ["its command", node],
  ["npm, which ran its command,", npm],
])("nothing goes on when %s was killed", async (_, command) => {
  const { child, counts } = await underWay(command, 2);
  child.kill("SIGKILL");
  const { server, files } = await counts();
  expect(files).toBe(server);
});
