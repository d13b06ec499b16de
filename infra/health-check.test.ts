import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { answersOk } from "./health-check.ts";

/** How the check ends. */
async function checked([command = "", ...args]: readonly string[]): Promise<number> {
  const [code] = (await once(spawn(command, args, { stdio: "ignore" }), "close")) as [number];
  return code;
}

test("is satisfied by a 200 alone, and where nothing is to be asked yet", async () => {
  const folder = mkdtempSync(join(tmpdir(), "health-"));
  const since = join(folder, "since");
  const server = createServer((request, reply) => {
    reply.writeHead(request.url === "/readyz" ? 200 : 503).end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  try {
    expect(await checked(answersOk(port, "/readyz"))).toBe(0);
    expect(await checked(answersOk(port, "/busy"))).not.toBe(0);
    expect(await checked(answersOk(port, "/busy", since))).toBe(0);
    writeFileSync(since, "configured");
    expect(await checked(answersOk(port, "/busy", since))).not.toBe(0);
    expect(await checked(answersOk(port, "/readyz", since))).toBe(0);
  } finally {
    server.close();
    rmSync(folder, { recursive: true });
  }
  expect(await checked(answersOk(port, "/readyz"))).not.toBe(0);
});
