// What somebody sees who does a thing for the first time, on a real engine.
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ContainerStatus } from "../infra/status-table.ts";
import type { StackStatus } from "../infra/status.ts";
import { type Clone, freshClone, onFreePorts } from "./clone.ts";
import { predict } from "./traffic.ts";

let clone: Clone;

interface Outputs {
  apiUrl: string;
  loadtestUrl: string;
  loadtestToken: string;
}

async function up(settings: Readonly<Record<string, string>> = {}): Promise<Outputs> {
  for (const [key, value] of Object.entries(settings)) {
    expect((await clone.pulumi("config", "set", key, "-s", "dev", "--", value)).code).toBe(0);
  }
  const { code, output } = await clone.pulumi("up", "--yes", "--skip-preview", "-s", "dev");
  expect(output).not.toMatch(/warning|Undefined value/);
  expect(code).toBe(0);
  const told = await clone.pulumi("stack", "output", "--json", "--show-secrets", "-s", "dev");
  return JSON.parse(told.stdout) as Outputs;
}

async function status(part: string): Promise<readonly ContainerStatus[]> {
  const { stdout } = await clone.run("npm", ["run", "-s", "status", "--", "-s", "dev", "--json"]);
  const [stack] = JSON.parse(stdout) as [StackStatus];
  return stack.containers.filter((container) => container.part === part);
}

const replicas = () => status("service");

beforeAll(async () => {
  clone = freshClone("first", { bare: true });
  await onFreePorts(clone);
  const { code, output } = await clone.run("npm", ["run", "setup", "--", "--yes"]);
  expect(output).not.toMatch(/npm (warn|notice)/i);
  expect(code).toBe(0);
});

afterAll(() => {
  clone.remove();
});

test("an update warns of nothing, and a new replica's requests are its own", async () => {
  const { apiUrl } = await up();
  for (let i = 0; i < 30; i += 1) expect((await predict(apiUrl)).status).toBe(200);
  const [before] = await replicas();
  expect(before?.requests).toBe(30);
  // It takes its predecessor's address as soon as that is free: one comes, the first goes, one comes.
  await up({ cpus: "0.9" });
  await up({ cpus: "0.8" });
  const [after] = await replicas();
  expect(after?.name).not.toBe(before?.name);
  expect(after?.requests).toBe(0);
  expect((await predict(apiUrl)).status).toBe(200);
  expect((await replicas())[0]?.requests).toBe(1);
});

test("a load's lines on the console tell of its users, never of none", async () => {
  const load = ["--users", "5", "--spawn-rate", "5", "--run-time", "3s"];
  const { code, output } = await clone.run("npm", ["run", "-s", "loadtest", "--", ...load]);
  expect(output).toMatch(/^ +2 s +5 users/m);
  expect(output).not.toMatch(/\b0 users/);
  expect(code).toBe(0);
});

test("flags that npm kept for itself are named, and nothing is done", async () => {
  for (const [args, wanted] of [
    [["loadtest", "--users", "5"], "npm run loadtest -- --users 5"],
    [["status", "--json"], "npm run status -- --json"],
    [["down", "--stack", "dev"], "npm run down -- --stack dev"],
    [["setup", "--images", "base-node"], "npm run setup -- --images base-node"],
  ] as const) {
    const { code, output } = await clone.run("npm", ["run", ...args]);
    expect(output).toContain(wanted);
    expect(code).toBe(2);
  }
  expect(await replicas()).toHaveLength(1);
});

test("bound to all addresses, the page opens with its token where the outputs say, and not without", async () => {
  const { apiUrl, loadtestUrl, loadtestToken } = await up({ bind: "0.0.0.0" });
  expect(apiUrl + loadtestUrl).not.toContain("0.0.0.0");
  expect((await predict(apiUrl)).status).toBe(200);
  const answer = async (path: string, headers: Record<string, string> = {}) =>
    (await fetch(`${loadtestUrl}${path}`, { headers })).status;
  expect(await answer("/")).toBe(200);
  expect(await answer("/stats/requests")).toBe(401);
  expect(await answer("/stats/requests", { authorization: "Bearer wrong" })).toBe(401);
  const known = { authorization: `Bearer ${loadtestToken}` };
  expect(await answer("/stats/requests", known)).toBe(200);
  // By any other way too: here the container's own address.
  const [loadtest] = await status("loadtest");
  const [address = ""] = Object.values(loadtest?.networks ?? {});
  const page = (headers: Record<string, string>) =>
    fetch(`http://${address}:8089/stats/requests`, { headers });
  expect((await page(known)).status).toBe(200);
  expect((await page({})).status).toBe(401);
});
