import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { chooseSource, forcedSource } from "./source.mjs";

let home: string;
let asked: number;
let status: number;
const server = createServer((_, reply) => {
  asked += 1;
  reply.writeHead(status).end();
});
let site: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "source-"));
  vi.stubEnv("XDG_CACHE_HOME", home);
  asked = 0;
  status = 200;
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  site = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});

afterEach(async () => {
  vi.unstubAllEnvs();
  await new Promise((resolve) => server.close(resolve));
  await rm(home, { recursive: true, force: true });
});

const silent = () => undefined;

test("a source can be forced, and only a real one", () => {
  expect(forcedSource(undefined)).toBeUndefined();
  expect(forcedSource("")).toBeUndefined();
  expect(forcedSource("download")).toBe("download");
  expect(forcedSource("registries")).toBe("registries");
  expect(() => forcedSource("banana")).toThrow(
    "TOOLCHAIN_SOURCE=banana is not a source: use download or registries",
  );
});

test("what can be reached is downloaded, also where a stranger has to log in", async () => {
  expect(await chooseSource("tools", [site], silent)).toBe("download");
  status = 401;
  expect(await chooseSource("images", [site], silent)).toBe("download");
});

test("one site that cannot be reached, or refuses, is enough to build instead", async () => {
  const said: string[] = [];
  const nobody = "http://127.0.0.1:1/";
  expect(await chooseSource("tools", [site, nobody], (line) => said.push(line))).toBe("registries");
  expect(said).toEqual(["tools: registries, as 127.0.0.1:1 cannot be reached from here"]);
  status = 403;
  expect(await chooseSource("images", [site], silent)).toBe("registries");
});

test("a silent site is given up", async () => {
  const mute = createServer(() => undefined);
  await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
  const address = `http://127.0.0.1:${(mute.address() as AddressInfo).port}/`;
  expect(await chooseSource("tools", [address], silent)).toBe("registries");
  mute.closeAllConnections();
  mute.close();
});

test("a choice is remembered for a day, and asked for anew when its record is damaged", async () => {
  await chooseSource("tools", [site], silent);
  await chooseSource("tools", [site], silent);
  expect(asked).toBe(1);
  const record = join(home, "inference-stack", "sources.json");
  const { tools } = JSON.parse(await readFile(record, "utf8")) as { tools: { at: number } };
  tools.at -= 25 * 3600_000;
  await writeFile(record, JSON.stringify({ tools }));
  await chooseSource("tools", [site], silent);
  expect(asked).toBe(2);
  await writeFile(record, '{"tools":');
  await chooseSource("tools", [site], silent);
  expect(asked).toBe(3);
});
