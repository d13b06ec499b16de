import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { incomplete, unready } from "./interrupt.mjs";

describe("an interrupted update takes away", () => {
  test("what it made and what is not ready", () => {
    const lines = [
      "a Up 3 seconds (health: starting)",
      "b Up 9 seconds (healthy)",
      "c Restarting (1) 2 seconds ago",
      "d Created",
      "e Up 1 minute (unhealthy)",
      "old Up 1 minute (unhealthy)",
    ];
    expect(unready(lines, new Set(["old"]))).toEqual(["a", "c", "d", "e"]);
  });
});

test("a Swarm service that lacks a task waits for it", () => {
  expect(incomplete(["a 1/2", "b 3/3", "c 0/1", "d 2/2 (max 1 per node)"])).toEqual(["a", "c"]);
});

// A launcher whose child counts the signals that it hears, until it has heard none for a second.
const launcher = `
  import { spawn } from "node:child_process";
  import { passSignals } from ${JSON.stringify(join(import.meta.dirname, "interrupt.mjs"))};
  const count = "let n = 0, t; process.on('SIGINT', () => { n++; clearTimeout(t);" +
    "t = setTimeout(() => { console.log(n); process.exit(0); }, 1000); }); setInterval(() => {}, 1000);" +
    "console.log('ready');";
  const child = spawn(process.execPath, ["-e", count], { stdio: ["ignore", "inherit", "inherit"] });
  passSignals(child, () => undefined);
  child.on("exit", () => process.exit(0));
`;

test.each([
  ["to the launcher alone", 1],
  ["to its whole group, as a terminal does", -1],
])("Ctrl-C is heard once, sent %s", async (_, side) => {
  const child = spawn(process.execPath, ["--input-type=module", "-e", launcher], {
    detached: true,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  child.stdout.on("data", (text: Buffer) => {
    said += text.toString();
    if (text.toString().includes("ready")) process.kill(side * (child.pid ?? 0), "SIGINT");
  });
  await once(child, "close");
  expect(said).toBe("ready\n1\n");
});
