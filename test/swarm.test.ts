// The swarm stack on three engines: replicas spread over nodes, faults under constant load, to its
// last trace. One rig for all, because making it and bringing the stack up takes a minute.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseRequests } from "../infra/gateway-stats.ts";
import { root } from "../toolchain/clone.mjs";
import { baseImages } from "../toolchain/versions.mjs";
import { type Clone, freePort, freshClone, type Result } from "./clone.ts";
import type { Seen } from "./open-loop.ts";
import { joinSwarm, type Node, type Rig, swarmRig } from "./swarm-rig.ts";

let rig: Rig;
let manager: Node;
let clone: Clone;
/** The gateway, as it is reached from the manager's machine without the engine's port proxy. */
let gatewayUrl: string;
/** Requests a second that this machine, with what else runs on it, serves without a queue. */
let rate = 1000;

const report: Record<string, string | number>[] = [];

/** The launcher in the manager's network: there the registry is, and the ports are published. */
async function pulumi(...args: string[]): Promise<Result> {
  const launcher = join(clone.dir, "toolchain", "launcher", "pulumi.mjs");
  const [command, ...rest] = manager.inside(process.execPath, launcher, ...args);
  return clone.run(command, [...rest, "--non-interactive", "-s", "swarm"], {
    DOCKER_HOST: manager.host,
    // The registry is an address of the rig, which no proxy of this machine knows.
    NO_PROXY: "*",
    no_proxy: "*",
  });
}

const up = () => pulumi("up", "--yes", "--skip-preview");
const destroy = () => pulumi("destroy", "--yes", "--skip-preview");
const set = async (key: string, ...value: string[]) => {
  expect((await pulumi("config", "set", key, ...value)).code).toBe(0);
};
async function upWith(settings: Record<string, string>): Promise<void> {
  for (const [key, value] of Object.entries(settings)) await set(key, value);
  const { code, output } = await up();
  expect(output).not.toContain("error:");
  expect(code).toBe(0);
}

const lines = (text: string) => text.split("\n").filter(Boolean);
const mine = () => ["--filter", `label=inference-stack.clone=${clone.id}`];
const part = (node: Node, name: string) =>
  lines(node.docker("ps", "-q", ...mine(), "--filter", `label=inference-stack.part=${name}`));
const serviceName = () =>
  manager.docker(
    ...["service", "ls", "--format", "{{.Name}}", ...mine()],
    ...["--filter", "label=inference-stack.part=service"],
  );
const replicasRunning = () =>
  lines(
    manager.docker(
      ...["service", "ps", serviceName(), "--filter", "desired-state=running"],
      ...["--format", "{{.CurrentState}} {{.Node}}"],
    ),
  ).filter((line) => line.startsWith("Running"));

function requestsByReplica(): Map<string, number> {
  const [gateway = ""] = part(manager, "gateway");
  return parseRequests(manager.docker("exec", gateway, "/gateway/stats"));
}

/** Where the gateway answers on the manager's own network. */
function findGateway(): string {
  const [gateway = ""] = part(manager, "gateway");
  const addresses = manager.docker("exec", gateway, "bash", "-c", "cat /proc/net/fib_trie");
  const [address] = /172\.\d+\.\d+\.(?!0\b|1\b|255\b)\d+/.exec(addresses) ?? [];
  return `http://${address ?? ""}:8080`;
}

function startLoad(perSecond = rate): { stop(): Promise<Seen> } {
  const program = join(root, "test", "open-loop.ts");
  const [command, ...args] = manager.inside(process.execPath, program);
  const child: ChildProcess = spawn(
    command,
    [...args, "--url", gatewayUrl, "--rate", String(perSecond)],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  let output = "";
  child.stdout?.on("data", (chunk: Buffer) => (output += chunk.toString()));
  return {
    async stop() {
      child.kill("SIGTERM");
      await new Promise((resolve) => child.once("close", resolve));
      return JSON.parse(output) as Seen;
    },
  };
}

/** Runs something while requests come in at a constant rate, and reports what they saw of it. */
async function under(what: string, happens: () => Promise<void>): Promise<Seen> {
  const load = startLoad();
  let seen: Seen;
  try {
    await sleep(2000);
    await happens();
    await sleep(2000);
  } finally {
    seen = await load.stop();
  }
  const failed = Object.values(seen.failed).reduce((sum, n) => sum + n, 0);
  const { sent, p50, p99, slowest, pause } = seen;
  report.push({ what, rate, sent, failed, p50, p99, slowest, pause });
  console.log(JSON.stringify({ what, rate, ...seen }));
  return seen;
}

const swarmState = () => manager.docker("info", "-f", "{{.Swarm.LocalNodeState}}");

function leftovers(): string[] {
  const listings = [
    ["service", "ls", "--format", "service {{.Name}}"],
    ["ps", "-a", "--format", "container {{.Names}}"],
    ["network", "ls", "--format", "network {{.Name}}"],
    ["secret", "ls", "--format", "secret {{.Name}}"],
    ["config", "ls", "--format", "config {{.Name}}"],
    ["volume", "ls", "--format", "volume {{.Name}}"],
    ["images", "-a", "--format", "image {{.ID}}"],
  ];
  return listings.flatMap((listing) => lines(manager.docker(...listing, ...mine())));
}

function edit(file: string, change: (text: string) => string): () => void {
  const path = join(clone.dir, file);
  const before = readFileSync(path, "utf8");
  const after = change(before);
  expect(after).not.toBe(before);
  writeFileSync(path, after);
  return () => {
    writeFileSync(path, before);
  };
}

beforeAll(async () => {
  clone = freshClone("swarm");
  symlinkSync(join(root, "node_modules"), join(clone.dir, "node_modules"));
  const [, made] = await Promise.all([
    clone.run(process.execPath, [join("toolchain", "setup.mjs"), "--yes"]),
    swarmRig(3, [baseImages.node, baseImages.haproxy]),
  ]);
  rig = made;
  manager = rig.nodes[0];
  await set("apiPort", String(await freePort()));
  await set("loadtestPort", String(await freePort()));
  await set("cpus", "0.15");
  await set("memory", "128MB");
});

afterAll(async () => {
  console.table(report);
  await rig.down();
  execFileSync("rm", ["-rf", clone.dir]);
});

describe("an engine in no Swarm", () => {
  test("becomes one for the stack, needs no registry, and leaves it with the stack", async () => {
    await upWith({});
    expect(replicasRunning()).toHaveLength(3);
    expect((await pulumi("preview", "--expect-no-changes")).code).toBe(0);
    expect((await destroy()).code).toBe(0);
    expect(leftovers()).toEqual([]);
    expect(swarmState()).toBe("inactive");
  });

  test("stays in it while somebody else uses it, and leaves it when nobody does any more", async () => {
    await upWith({});
    const [image = ""] = lines(manager.docker("images", "-q", baseImages.node));
    manager.docker("service", "create", "-d", "--name", "foreign", "--replicas", "0", image);
    expect((await destroy()).code).toBe(0);
    expect(swarmState()).toBe("active");
    manager.docker("service", "rm", "foreign");
    const [command, ...args] = manager.inside("npm", "run", "-s", "down");
    const down = await clone.run(command, args, { DOCKER_HOST: manager.host });
    expect(down.output).toContain("the engine left the Swarm that this stack had made");
    expect(swarmState()).toBe("inactive");
  });
});

describe("a Swarm of three nodes", () => {
  beforeAll(() => {
    joinSwarm(rig.nodes);
  });

  test("is refused without a registry, in one sentence and before anything changes", async () => {
    const { code, output } = await up();
    expect(code).not.toBe(0);
    expect(output).toMatch(/the Swarm has 3 nodes .*imageRepository is not set/);
    expect(leftovers()).toEqual([]);
  });

  test("runs one replica on each node, of the same pushed bytes", async () => {
    await set("imageRepository", `http://${rig.registry.address}/iris`);
    await set("registryUser", rig.registry.user);
    await set("registryPassword", "--secret", rig.registry.password);
    await upWith({});
    expect(rig.nodes.map((node) => part(node, "service").length)).toEqual([1, 1, 1]);
    const images = rig.nodes.map((node) =>
      node.docker("inspect", "-f", "{{.Image}}", ...part(node, "service")),
    );
    expect(new Set(images).size).toBe(1);
    const { stdout } = await pulumi("stack", "output", "image");
    expect(stdout.trim()).toMatch(new RegExp(`^${rig.registry.address}/iris@sha256:[0-9a-f]{64}$`));
    gatewayUrl = findGateway();
  });

  test("hardens replicas as far as Swarm has it, and enforces their limits", () => {
    const [replica = ""] = part(manager, "service");
    const { Config, HostConfig } = JSON.parse(
      manager.docker("inspect", "-f", "{{json .}}", replica),
    ) as { Config: Record<string, unknown>; HostConfig: Record<string, unknown> };
    expect(Config["User"]).toBe("10001:10001");
    expect(HostConfig).toMatchObject({
      ReadonlyRootfs: true,
      CapDrop: ["ALL"],
      Memory: 128 * 1024 ** 2,
      NanoCpus: 150_000_000,
      Privileged: false,
    });
    const settings = "/run/inference/settings.json";
    expect(manager.docker("exec", replica, "stat", "-c", "%a %u", settings)).toBe("400 10001");
  });

  test("shows no change in a preview and no drift in a refresh", async () => {
    expect((await pulumi("preview", "--expect-no-changes")).code).toBe(0);
    expect((await pulumi("refresh", "--yes", "--expect-no-changes")).code).toBe(0);
  });

  test("scales by one update in place of the service, and of nothing else", async () => {
    await set("replicas", "5");
    const { output } = await pulumi("preview", "--diff");
    await set("replicas", "3");
    expect(output).toMatch(/replicas: 3 => 5/);
    expect(output).toMatch(/~ 1 to update/);
    expect(output).not.toMatch(/to (replace|create|delete)/);
  });
});

describe("requests", () => {
  test("are spread evenly over the replicas, over kept-alive connections too", async () => {
    // What this machine can do now: constant load says something of faults only below that.
    for (; rate > 125; rate /= 2) {
      const load = startLoad();
      await sleep(4000);
      if ((await load.stop()).p99 < 500) break;
    }
    const before = requestsByReplica();
    const load = startLoad();
    await sleep((30_500 / rate) * 1000);
    const { sent, failed } = await load.stop();
    expect(failed).toEqual({});
    expect(sent).toBeGreaterThanOrEqual(30_000);
    const served = [...requestsByReplica()].map(([replica, n]) => n - (before.get(replica) ?? 0));
    const total = served.reduce((sum, n) => sum + n, 0);
    console.log(`shares of ${total}: ${served.map((n) => (n / total).toFixed(3)).join(" ")}`);
    expect(served).toHaveLength(3);
    for (const n of served) {
      expect(n / total).toBeGreaterThan(0.3);
      expect(n / total).toBeLessThan(0.37);
    }
  });
});

describe("under constant load no request is lost when", () => {
  test("a replica is killed", async () => {
    const seen = await under("kill -9 of a replica", async () => {
      manager.docker("kill", "-s", "KILL", ...part(manager, "service"));
      await expect.poll(() => replicasRunning().length, { timeout: 60_000, interval: 500 }).toBe(3);
    });
    expect(seen.failed).toEqual({});
  });

  test("replicas go from 3 to 6 to 2", async () => {
    const seen = await under("3 → 6 → 2 replicas", async () => {
      await upWith({ replicas: "6" });
      expect(replicasRunning()).toHaveLength(6);
      await upWith({ replicas: "2" });
    });
    expect(seen.failed).toEqual({});
  });

  test("a new image rolls, with other limits", async () => {
    await upWith({ replicas: "3" });
    edit("service/main.ts", (text) => `${text}\nprocess.title = "edited";\n`);
    const seen = await under("new image, cpus 0.15 → 0.2, memory 128 → 160MB", () =>
      upWith({ cpus: "0.2", memory: "160MB" }),
    );
    expect(seen.failed).toEqual({});
    const limits = rig.nodes.flatMap((node) =>
      part(node, "service").map((id) =>
        node.docker("inspect", "-f", "{{.HostConfig.NanoCpus}} {{.HostConfig.Memory}}", id),
      ),
    );
    expect(limits).toEqual(Array<string>(3).fill(`200000000 ${160 * 1024 ** 2}`));
  });

  test("an image never becomes healthy: Swarm rolls it back, and up says so", async () => {
    const before = manager.docker(
      ...["service", "inspect", "-f", "{{.Spec.TaskTemplate.ContainerSpec.Image}}", serviceName()],
    );
    const mend = edit("service/main.ts", (text) => `process.exit(1);\n${text}`);
    let failedUp: Result | undefined;
    const seen = await under("an image that never becomes healthy", async () => {
      failedUp = await up();
    });
    expect(failedUp?.code).not.toBe(0);
    expect(failedUp?.output).toMatch(/rollback completed/);
    expect(seen.failed).toEqual({});
    const [status, image] = manager
      .docker(
        ...["service", "inspect", serviceName(), "-f"],
        "{{.UpdateStatus.State}} {{.Spec.TaskTemplate.ContainerSpec.Image}}",
      )
      .split(" ");
    expect([status, image]).toEqual(["rollback_completed", before]);
    expect(replicasRunning()).toHaveLength(3);
    mend();
    await upWith({});
    expect((await pulumi("preview", "--expect-no-changes")).code).toBe(0);
  });

  test("the gateway takes another configuration", async () => {
    const [gateway] = part(manager, "gateway");
    edit("infra/gateway-config.ts", (text) => text.replace("stats refresh 5s", "stats refresh 6s"));
    const seen = await under("another gateway configuration", () => upWith({}));
    expect(seen.failed).toEqual({});
    expect(part(manager, "gateway")).toEqual([gateway]);
    const [id = ""] = part(manager, "gateway");
    expect(manager.docker("exec", id, "cat", "/config/haproxy.cfg")).toContain("stats refresh 6s");
  });
});

describe("throughput through the gateway", () => {
  /** Requests a second of 64 users that do not think, from the manager's machine. */
  const measure = async (): Promise<number> => {
    const seconds = { warmUp: 3, measured: 8 };
    const [command, ...args] = manager.inside(
      ...[process.execPath, join(root, "loadtest", "main.ts"), "run", "-H", gatewayUrl],
      ...["-u", "64", "-r", "64", "--think-time", "0", "--only-summary", "--json"],
      ...["-t", `${seconds.warmUp + seconds.measured}s`, "--warm-up", `${seconds.warmUp}s`],
    );
    const { code, stdout } = await clone.run(command, args);
    expect(code).toBe(0);
    const [predict] = JSON.parse(stdout) as [{ num_requests: number; num_failures: number }];
    expect(predict.num_failures).toBe(0);
    return predict.num_requests / seconds.measured;
  };
  const gatewayCpu = () => {
    const [gateway = ""] = part(manager, "gateway");
    const usage = manager.docker("exec", gateway, "cat", "/sys/fs/cgroup/cpuacct/cpuacct.usage");
    return Number(usage) / 1e9;
  };

  test("of three replicas is three times one replica's own, within a tenth", async () => {
    await upWith({ cpus: "0.15", memory: "128MB", replicas: "1" });
    const one = await measure();
    await upWith({ replicas: "3" });
    const before = gatewayCpu();
    const three = await measure();
    const cores = (gatewayCpu() - before) / 11;
    await upWith({ replicas: "1" });
    const again = await measure();
    const single = (one + again) / 2;
    report.push({
      what: `throughput: 1 replica ${Math.round(single)}/s, 3 replicas ${Math.round(three)}/s, gateway ${cores.toFixed(2)} cores`,
    });
    expect(three / (3 * single)).toBeGreaterThanOrEqual(0.9);
    await upWith({ replicas: "3" });
  });
});

describe("a node that is lost", () => {
  test("is found out within 3 s, costs at most what was in flight on it, and is replaced", async () => {
    const lost = rig.nodes[2] ?? manager;
    const [replica = ""] = part(lost, "service");
    const networks = JSON.parse(
      lost.docker("inspect", "-f", "{{json .NetworkSettings.Networks}}", replica),
    ) as Record<string, { IPAddress: string }>;
    const addresses = Object.values(networks).map(({ IPAddress }) => IPAddress);
    expect(addresses).toHaveLength(1);
    let at = 0;
    const seen = await under("a whole node is lost", async () => {
      at = Date.now();
      lost.kill();
      await expect
        .poll(() => replicasRunning().filter((line) => !line.endsWith(lost.name)).length, {
          timeout: 90_000,
          interval: 1000,
        })
        .toBe(3);
    });
    const [gateway = ""] = part(manager, "gateway");
    const log = execFileSync("docker", ["-H", manager.host, "logs", "-t", gateway], {
      encoding: "utf8",
    });
    const noticed = lines(log).find(
      (line) =>
        / replicas\/replica\d+ is DOWN/.test(line) && Date.parse(line.split(" ")[0] ?? "") >= at,
    );
    const detection = Date.parse(noticed?.split(" ")[0] ?? "") - at;
    report.push({ what: "detection of the lost node, ms", slowest: detection });
    expect(detection).toBeLessThan(3000);
    const failed = Object.values(seen.failed).reduce((sum, n) => sum + n, 0);
    // At most as many as may be in flight on one replica.
    expect(failed).toBeLessThanOrEqual(128);
  });
});

describe("the end", () => {
  test("leaves nothing of the stack, and the Swarm that was there before it", async () => {
    expect((await destroy()).code).toBe(0);
    expect(leftovers()).toEqual([]);
    expect(swarmState()).toBe("active");
  });
});
