import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { incomplete, sweep, unready } from "./interrupt.mjs";

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

// It says what an engine would beside another update of the stack, and notes what it is told to do.
const engine = `#!/bin/sh
case "$*" in
  *"ps -a"*) echo "aaaaaaaaaaaa Up 3 seconds (health: starting)" ;;
  *"service ls"*) echo "bbbbbbbbbbbb 0/1" ;;
  *"service inspect"*) echo updating ;;
  *) echo "$*" >> "$0.calls" ;;
esac
`;

test.each([
  ["nothing while it still asks whether it may", undefined, ""],
  ["nothing that was there before", ["aaaaaaaaaaaa"], "service rm bbbbbbbbbbbb\n"],
  ["what is new", [], "rm -f -v aaaaaaaaaaaa\nservice rm bbbbbbbbbbbb\n"],
])("an interrupted update takes away %s", async (_, before, expected) => {
  const folder = mkdtempSync(join(tmpdir(), "interrupt-"));
  const path = process.env["PATH"];
  const host = process.env["DOCKER_HOST"];
  try {
    writeFileSync(join(folder, "docker"), engine);
    writeFileSync(join(folder, "docker.calls"), "");
    chmodSync(join(folder, "docker"), 0o755);
    process.env["PATH"] = `${folder}:${path ?? ""}`;
    process.env["DOCKER_HOST"] = "unix:///nowhere";
    const file = join(folder, "begun.json");
    if (before !== undefined) {
      writeFileSync(file, JSON.stringify({ identity: "0a1b2c3d", before }));
    }
    await sweep(file).catch(() => undefined);
    expect(readFileSync(join(folder, "docker.calls"), "utf8")).toBe(expected);
  } finally {
    process.env["PATH"] = path;
    if (host === undefined) delete process.env["DOCKER_HOST"];
    else process.env["DOCKER_HOST"] = host;
    rmSync(folder, { recursive: true });
  }
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
