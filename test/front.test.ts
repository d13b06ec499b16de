// The way in to a stack of two small replicas: what it lets through, what attacks cost a neighbour, and what
// it loses when its parts are killed, replaced or end.
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Clone, docker } from "./clone.ts";
import attacks, { type Scene } from "./trust/attack/attacks.ts";
import { attacked, sceneOf, suffer } from "./trust/attack/campaign.ts";
import { hostile } from "./trust/attack/hostile.ts";
import { lost, neighbour } from "./trust/attack/watch.ts";
import { dial, get, post, say } from "./trust/attack/wire.ts";
import { freshStack } from "./trust/kill.ts";

let clone: Clone;
let apiUrl: string;
let scene: Scene;

beforeAll(async () => {
  ({ clone, apiUrl } = await freshStack("front", attacked));
  scene = sceneOf(clone, apiUrl, 0.15);
});

afterAll(() => {
  clone.remove();
});

const up = () => clone.pulumi("up", "--yes", "--skip-preview", "-s", "dev");
const only = (part: string): string => clone.containers(part)[0] ?? "";

describe("what the gateway answers itself", () => {
  test.each([
    ["a path that is not served", get("/metrics"), 404],
    ["a method that is none", get("/predict", "get"), 405],
    ["a body above the limit", post({ "Content-Length": 2 * 1024 ** 2 }, " ".repeat(20_000)), 413],
    ["a path that is not valid", get("/a%2"), 400],
    ["a body that does not come", post({ "Content-Length": 100 }, "["), 408],
  ])("to %s is problem+json", async (_, request, status) => {
    const reply = await say(scene.gateway, request, 20_000);
    expect(reply).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(reply).toMatch(/^content-type: application\/problem\+json/im);
    expect(JSON.parse(reply.split("\r\n\r\n")[1] ?? "")).toMatchObject({ status });
  });

  // As Python's urllib does; larger than what buffers on the way take.
  test("who reads nothing before all of a body is sent hears that it is too large", async () => {
    const size = 20 * 1024 ** 2;
    for (let i = 0; i < 5; i++) {
      const line = await dial(scene.gateway, false);
      const { socket } = line ?? {};
      if (socket === undefined) throw new Error("The gateway takes no connection.");
      await new Promise((sent) =>
        socket.write(post({ "Content-Length": size }, " ".repeat(size)), sent),
      );
      const [reply] = (await once(socket.resume(), "data")) as [Buffer];
      socket.destroy();
      expect(reply.toString()).toMatch(/^HTTP\/1.1 413 [^]*larger than 1048576 bytes/);
    }
  });

  test("a replica's metrics are on no path, in no spelling", async () => {
    const found = attacks.find(({ name }) => name === "metrics");
    expect(await found?.run(scene)).toMatchObject({ wrong: undefined });
  });

  test.each(["HTTP2-Settings: AAMAAABk", "X-Other: 1"])(
    "a wish for another protocol is answered in this one (%s)",
    async (more) => {
      const upgrade = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", more];
      expect(await say(scene.gateway, get("/readyz", "GET", upgrade))).toMatch(/^HTTP\/1.1 200 /);
      expect(await say(scene.gateway, get("/readyz", "GET", ["Connection: Upgrade"]))).toMatch(
        /^HTTP\/1.1 200 /,
      );
    },
  );
});

/** Those that cost the most, each in its own way. */
const slice = [
  ...["unread", "window", "senders", "deep", "rows", "chunks", "resets", "given up"],
  ...["inside: data", "inside: pings", "inside: unread"],
];

// All of them, and the whole of each, is `npm run trust -- attack`.
describe("under attack, a part of each", () => {
  const tried = attacks.filter(({ name }) => slice.includes(name));
  test.each(tried.map((attack) => [attack.name, attack] as const))(
    "%s: a neighbour loses nothing, and nothing starts again",
    async (_, attack) => {
      const { wrong } = await suffer(clone, apiUrl, attack.name, attack.what, () =>
        attack.run({ ...scene, scale: 0.1 }),
      );
      expect(wrong).toEqual([]);
    },
  );

  test("hostile requests over both protocols get no error of ours but 503", async () => {
    const { wrong } = await suffer(clone, apiUrl, "hostile", "", async () => {
      const counts = await hostile(scene.gateway, 4000, 7);
      const errors = [...counts.keys()].filter((status) => /^5/.test(status) && status !== "503");
      return { said: "", wrong: errors.length > 0 ? errors.join(" ") : undefined };
    });
    expect(wrong).toEqual([]);
  });
});

describe("when a part of it ends", () => {
  test("a killed HAProxy at 300 requests a second loses what it had in hand", async () => {
    const traffic = neighbour(apiUrl, 300);
    await setTimeout(3000);
    const processes = docker("top", only("gateway"), "-eo", "pid,args").split("\n");
    const haproxy = processes.find((line) => / haproxy -db /.test(line)) ?? "";
    process.kill(Number(haproxy.trim().split(" ")[0]), "SIGKILL");
    await setTimeout(5000);
    const seen = await traffic.stop();
    expect(seen.sent).toBeGreaterThan(1500);
    // 10, or three times what was in hand at any moment where a busy machine takes longer for each.
    expect(lost(seen)).toBeLessThanOrEqual(Math.max(10, Math.ceil(3 * 0.3 * seen.p50)));
  });

  // As one that loads a model is; each second request would be held up if both had their turn.
  test("a replica that is deaf for a moment, again and again, holds up fewer than one in a hundred", async () => {
    const deaf = only("service");
    const traffic = neighbour(apiUrl, 200);
    const pauses: number[] = [];
    for (let i = 0; i < 10; i++) {
      await setTimeout(1600);
      docker("pause", deaf);
      const since = performance.now();
      await setTimeout(300);
      docker("unpause", deaf);
      pauses.push(performance.now() - since);
    }
    const seen = await traffic.stop();
    expect(seen.failed).toEqual({});
    expect(seen.slowest).toBeGreaterThan(0.5 * Math.min(...pauses));
    expect(seen.p99).toBeLessThan(0.4 * Math.min(...pauses));
  });

  test("another image of the gateway, and another configuration, lose nothing", async () => {
    const [gateway, listener] = [only("gateway"), only("listener")];
    for (const file of ["infra/gateway/stats", "infra/gateway-config.ts"]) {
      const path = join(clone.dir, file);
      const text = readFileSync(path, "utf8");
      writeFileSync(path, text.replace("refresh 5s", "refresh 6s").replace("# Prints", "# Tells"));
      const traffic = neighbour(apiUrl, 300);
      expect((await up()).code).toBe(0);
      const seen = await traffic.stop();
      expect([file, seen.failed]).toEqual([file, {}]);
      expect(seen.sent).toBeGreaterThan(500);
    }
    expect(only("gateway")).not.toBe(gateway);
    expect(only("listener")).toBe(listener);
  });

  test("bodies of 200 kB and small ones lose nothing while replicas are replaced", async () => {
    const row = { sepal_length: 5.1, sepal_width: 3.5, petal_length: 1.4, petal_width: 0.2 };
    const body = JSON.stringify(Array.from({ length: 2700 }, () => row));
    const headers = { "content-type": "application/json" };
    const failures: string[] = [];
    let sent = 0;
    let going = true;
    const large = async (): Promise<void> => {
      while (going) {
        sent++;
        const reply = await fetch(`${apiUrl}/predict`, { method: "POST", headers, body }).catch(
          String,
        );
        if (typeof reply === "string") failures.push(reply);
        else if (!reply.ok) failures.push(`${reply.status} ${await reply.text()}`);
        else await reply.arrayBuffer();
      }
    };
    const traffic = neighbour(apiUrl, 30);
    const senders = [large(), large()];
    const set = await clone.pulumi("config", "set", "memory", "160MB", "-s", "dev");
    expect([set.code, (await up()).code]).toEqual([0, 0]);
    going = false;
    await Promise.all(senders);
    expect(failures).toEqual([]);
    expect((await traffic.stop()).failed).toEqual({});
    expect(sent).toBeGreaterThan(20);
  });

  test("an engine's port proxy that has ended is told of, and started anew by an up", async () => {
    const { port } = scene.gateway;
    const proxy = ["-f", `docker-proxy .*-host-port ${port} `];
    const [pid = ""] = execFileSync("pgrep", proxy, { encoding: "utf8" }).split("\n");
    process.kill(Number(pid), "SIGKILL");
    const status = () => clone.run("npm", ["run", "-s", "status", "--", "-s", "dev"]);
    expect((await status()).stdout).toContain(`${apiUrl} does not answer (`);
    const { code, output } = await up();
    expect(code).toBe(0);
    expect(output).toContain("The listener was restarted, and with it the proxy.");
    expect((await status()).stdout).toContain(`${apiUrl} is open: a replica answers`);
  });
});
