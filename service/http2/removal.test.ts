// This folder goes away by deleting it and what names it in server.ts; HTTP/1.1 is what is left.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { freePort } from "../../test/port.ts";
import { PREFACE } from "./frame.ts";

const ROOT = join(import.meta.dirname, "../..");

test("without this folder and the lines that name it the service speaks HTTP/1.1 alone", async () => {
  const dir = mkdtempSync(join(tmpdir(), "without-http2-"));
  const port = await freePort();
  cpSync(join(ROOT, "service"), join(dir, "service"), { recursive: true });
  cpSync(join(ROOT, "package.json"), join(dir, "package.json"));
  symlinkSync(join(ROOT, "node_modules"), join(dir, "node_modules"));
  rmSync(join(dir, "service/http2"), { recursive: true });
  const server = join(dir, "service/server.ts");
  const lines = readFileSync(server, "utf8").split("\n");
  // Where it is loaded, and where it is put among the protocols.
  const kept = lines.filter((line) => !/http2\/|http2\(/.test(line));
  expect(lines.length - kept.length).toBe(2);
  writeFileSync(server, kept.join("\n"));
  const child = spawn(process.execPath, [join(dir, "service/main.ts")], {
    env: { ...process.env, PORT: String(port), LOG_LEVEL: "error", DRAIN_DELAY: "0s" },
    stdio: ["ignore", "inherit", "inherit"],
  });
  try {
    const ready = (): Promise<boolean> =>
      fetch(`http://127.0.0.1:${port}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      );
    await expect.poll(ready, { timeout: 30_000 }).toBe(true);
    const socket = connect(port, "127.0.0.1");
    let text = "";
    socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
    socket.on("error", () => undefined);
    socket.write(PREFACE);
    await once(socket, "close");
    expect(text).toMatch(/^HTTP\/1\.1 400 /);
  } finally {
    child.kill("SIGTERM");
    await once(child, "exit");
    rmSync(dir, { recursive: true });
  }
});
