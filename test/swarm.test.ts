// The swarm stack on three engines: replicas spread over nodes, faults under constant load, to its
// last trace. One rig for all, because making it and bringing the stack up takes a minute; each test
// brings up what it needs, so that each can be run alone.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { ReportData } from "../loadtest/capacity/report/data.ts";
import { root } from "../toolchain/clone.mjs";
import { baseImages } from "../toolchain/versions.mjs";
import type { Result } from "./clone.ts";
import { joinSwarm, type Node, swarmRig } from "./swarm-rig.ts";
import { lost, Report } from "./swarm-report.ts";
import { lines, SwarmStack } from "./swarm-stack.ts";

let stack: SwarmStack;
let manager: Node;
let nodes: readonly [Node, ...Node[]];

let report: Report;
const under = (what: string, happens: () => Promise<void>) => report.under(what, happens);

beforeAll(async () => {
  stack = await SwarmStack.make("swarm", swarmRig(3, [baseImages.node, baseImages.haproxy]), {
    cpus: "0.15",
    memory: "128MB",
    replicas: "3",
  });
  report = new Report(stack);
  ({ manager } = stack);
  ({ nodes } = stack.rig);
  joinSwarm(nodes);
});

afterAll(async () => {
  report.print();
  await stack.down();
});

describe("a Swarm of three nodes", () => {
  test("is refused without a registry, in one sentence and before anything changes", async () => {
    await stack.configure({});
    const before = stack.leftovers(manager);
    const { code, output } = await stack.up();
    expect(code).not.toBe(0);
    expect(output).toMatch(/the Swarm has 3 nodes .*imageRepository is not set/);
    expect(stack.leftovers(manager)).toEqual(before);
  });

  test("runs one replica on each node, of the same pushed bytes", async () => {
    await up();
    expect(nodes.map((node) => stack.part("service", node).length)).toEqual([1, 1, 1]);
    const images = nodes.map((node) =>
      node.docker("inspect", "-f", "{{.Image}}", ...stack.part("service", node)),
    );
    expect(new Set(images).size).toBe(1);
    const { stdout } = await stack.pulumi("stack", "output", "image");
    const { address } = stack.rig.registry;
    expect(stdout.trim()).toMatch(new RegExp(`^${address}/iris@sha256:[0-9a-f]{64}$`));
  });

  test("hardens replicas as far as Swarm has it, and enforces their limits", async () => {
    await up();
    const [replica = ""] = stack.part("service");
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
    await up();
    await stack.clean();
    const refresh = await stack.pulumi("refresh", "--yes", "--expect-no-changes");
    expect(refresh.code, refresh.output).toBe(0);
  });

  test("scales by one update in place of the service, and of nothing else", async () => {
    await up();
    const set = (replicas: string) => stack.pulumi("config", "set", "replicas", replicas);
    await set("5");
    const { output } = await stack.pulumi("preview", "--diff");
    await set("3");
    expect(output).toMatch(/replicas: 3 => 5/);
    expect(output).toMatch(/~ 1 to update/);
    expect(output).not.toMatch(/to (replace|create|delete)/);
  });
});

/** The stack as it is in every test that says nothing else. */
async function up(changes: Readonly<Record<string, string>> = {}): Promise<void> {
  const { address, user, password } = stack.rig.registry;
  await stack.upWith({
    imageRepository: `http://${address}/iris`,
    registryUser: user,
    registryPassword: password,
    ...changes,
  });
}

describe("requests are spread evenly over the replicas", () => {
  async function sharesOf(what: string, perSecond: number, requests: number, connections?: number) {
    const before = stack.requestsByReplica();
    const seen = await stack.atRest(perSecond, requests / perSecond + 1, connections);
    const served = [...stack.requestsByReplica()].map(([at, n]) => n - (before.get(at) ?? 0));
    const total = served.reduce((sum, n) => sum + n, 0);
    const shares = served.map((n) => n / total);
    const shown = shares.map((share) => `${(share * 100).toFixed(1)}%`).join(" ");
    report.add({ what: `${what}: ${shown}`, sent: seen.sent, failed: lost(seen) });
    console.log(`${what}: ${shown} of ${total} on ${seen.connections} connections`);
    expect(seen.failed).toEqual({});
    expect(seen.sent).toBeGreaterThanOrEqual(requests);
    return { shares, seen };
  }

  function expectEven(shares: readonly number[]) {
    expect(shares).toHaveLength(3);
    for (const share of shares) {
      expect(share).toBeGreaterThan(0.3);
      expect(share).toBeLessThan(0.37);
    }
  }

  test("30,000 of them", async () => {
    await up();
    const { shares } = await sharesOf("spread", await report.carriedRate(), 30_000);
    expectEven(shares);
  });

  test("those of four clients that each keep their connection", async () => {
    await up();
    const { shares, seen } = await sharesOf("spread of 4 kept-alive connections", 400, 3000, 4);
    expect(seen.connections).toBe(4);
    expectEven(shares);
  });
});

describe("under constant load no request is lost when", () => {
  test("a replica is killed", async () => {
    await up();
    const before = new Set(stack.tasks().map(({ id }) => id));
    const seen = await under("kill -9 of a replica", async () => {
      manager.docker("kill", "-s", "KILL", ...stack.part("service").slice(0, 1));
      const running = () => stack.tasks().filter(({ id }) => !before.has(id)).length;
      await expect.poll(running, { timeout: 90_000, interval: 500 }).toBe(1);
      expect(stack.tasks()).toHaveLength(3);
    });
    expect(seen.failed).toEqual({});
  });

  test("replicas go from 3 to 6 to 2", async () => {
    await up();
    const seen = await under("3 → 6 → 2 replicas", async () => {
      await up({ replicas: "6" });
      expect(stack.tasks()).toHaveLength(6);
      await up({ replicas: "2" });
    });
    expect(stack.tasks()).toHaveLength(2);
    expect(seen.failed).toEqual({});
  });

  test("a new image rolls", async () => {
    await up();
    const image = () => stack.taskImages();
    const [before] = image();
    stack.edit("service/main.ts", (text) => `${text}\nprocess.title = "edited";\n`);
    const seen = await under("a new image", up);
    expect(image()).toHaveLength(1);
    expect(image()).not.toEqual([before]);
    expect(seen.failed).toEqual({});
  });

  test("cpus, memory and deadline change", async () => {
    await up();
    const seen = await under("cpus 0.15 → 0.2, memory 128 → 160MB, deadline 10 → 8s", () =>
      up({ cpus: "0.2", memory: "160MB", deadline: "8s" }),
    );
    const limits = () =>
      nodes.flatMap((node) =>
        stack
          .part("service", node)
          .map((id) =>
            node.docker("inspect", "-f", "{{.HostConfig.NanoCpus}} {{.HostConfig.Memory}}", id),
          ),
      );
    // The last of the old ones may still be at what it had in flight.
    await expect
      .poll(limits, { timeout: 30_000 })
      .toEqual(Array<string>(3).fill(`200000000 ${160 * 1024 ** 2}`));
    expect(seen.failed).toEqual({});
  });

  test("an image never becomes healthy: Swarm rolls it back, and up says so", async () => {
    await up();
    const before = stack.taskImages();
    const mend = stack.edit("service/main.ts", (text) => `process.exit(1);\n${text}`);
    let failedUp: Result | undefined;
    const seen = await under("an image that never becomes healthy", async () => {
      failedUp = await stack.up();
    });
    expect(failedUp?.code).not.toBe(0);
    expect(failedUp?.output).toMatch(/rollback completed/);
    const status = ["service", "inspect", stack.serviceName(), "-f", "{{.UpdateStatus.State}}"];
    expect(manager.docker(...status)).toBe("rollback_completed");
    expect(stack.tasks()).toHaveLength(3);
    expect(stack.taskImages()).toEqual(before);
    expect(seen.failed).toEqual({});
    mend();
    await up();
    await stack.clean();
  });

  test("the gateway takes another configuration", async () => {
    await up();
    const [gateway] = stack.part("gateway");
    stack.edit("infra/gateway-config.ts", (text) => text.replace("refresh 5s", "refresh 6s"));
    const seen = await under("another gateway configuration", up);
    expect(stack.part("gateway")).toEqual([gateway]);
    const config = manager.docker("exec", gateway ?? "", "cat", "/config/haproxy.cfg");
    expect(config).toContain("stats refresh 6s");
    expect(seen.failed).toEqual({});
  });
});

describe("throughput through the gateway", () => {
  /** As many as the gateway lets be in flight on one replica. */
  const usersOfReplica = 128;
  const seconds = { warmUp: 4, measured: 8 };

  /** Seconds of CPU that containers have had; where control groups are of version 1 or 2. */
  function cpuOf(ids: readonly string[], node: Node): number {
    const files = "/sys/fs/cgroup/cpuacct/cpuacct.usage /sys/fs/cgroup/cpu.stat";
    const spent = ids.map((id) => {
      const text = node.docker("exec", id, "sh", "-c", `cat ${files} 2> /dev/null || true`);
      const [, us] = /^usage_usec (\d+)/m.exec(text) ?? [];
      return us === undefined ? parseInt(text) / 1e9 : Number(us) / 1e6;
    });
    return spent.reduce((sum, each) => sum + each, 0);
  }

  /** Requests a second of users that do not think, as many for each replica; cores that were used. */
  async function measure(replicas: number, scenario?: string) {
    await up({ replicas: String(replicas) });
    await expect
      .poll(() => nodes.flatMap((node) => stack.part("service", node)).length, { timeout: 60_000 })
      .toBe(replicas);
    const gateway = stack.part("gateway");
    const replicaCpu = () =>
      nodes.reduce((sum, node) => sum + cpuOf(stack.part("service", node), node), 0);
    const users = String(replicas * usersOfReplica);
    const before = { gateway: cpuOf(gateway, manager), replicas: replicaCpu() };
    const { code, stdout, output } = await stack.run(
      ...[process.execPath, join(root, "loadtest", "main.ts"), "run", "-H", stack.gatewayUrl()],
      ...["-u", users, "-r", users, "--think-time", "0", "--only-summary", "--json"],
      ...["-t", `${seconds.warmUp + seconds.measured}s`, "--warm-up", `${seconds.warmUp}s`],
      ...(scenario === undefined ? [] : ["-f", join(root, "test", scenario)]),
    );
    const all = seconds.warmUp + seconds.measured;
    // 98: the generator was short of time now and then, which the ratio judges.
    expect([0, 98], output).toContain(code);
    const [predict] = JSON.parse(stdout) as [{ num_requests: number; num_failures: number }];
    expect(predict.num_failures).toBe(0);
    return {
      perSecond: predict.num_requests / seconds.measured,
      gateway: (cpuOf(gateway, manager) - before.gateway) / all,
      replicas: (replicaCpu() - before.replicas) / all,
    };
  }

  type Measured = Awaited<ReturnType<typeof measure>>;
  const shown = ({ perSecond, replicas, gateway }: Measured) =>
    `${Math.round(perSecond)}/s (cores: replicas ${replicas.toFixed(2)}, gateway ${gateway.toFixed(2)})`;
  function tell(what: string): void {
    report.add({ what });
    console.log(what);
  }

  test("of three replicas is three times one replica's own, within a tenth", async () => {
    const rows = "many-rows.ts";
    const tries: number[] = [];
    let one = await measure(1, rows);
    // What else runs on the machine takes from three more than from one.
    do {
      const three = await measure(3, rows);
      const again = await measure(1, rows);
      const ratio = three.perSecond / (1.5 * (one.perSecond + again.perSecond));
      tries.push(ratio);
      tell(
        `100 rows a request: 1 replica ${shown(one)}, 3 ${shown(three)}, 1 ${shown(again)}: ` +
          `ratio ${ratio.toFixed(2)}`,
      );
      one = again;
    } while ((tries.at(-1) ?? 0) < 0.9 && tries.length < 3);
    tell(`one row a request, 3 replicas: ${shown(await measure(3))}`);
    expect(tries.at(-1), tries.join(", ")).toBeGreaterThanOrEqual(0.9);
  });
});

describe("a capacity search", () => {
  test("tries limits on replicas of different nodes, and leaves the stack as it was", async () => {
    await up({ replicas: "2" });
    const { code, stdout, output } = await stack.run(
      ...[process.execPath, join(stack.clone.dir, "loadtest", "capacity", "main.ts")],
      // Far less than these users take, and far more. A core answers 50,000 of them a second at the
      // most: of 0.04 they would wait 2 s on the fastest machine, and at 1 a busy one has seconds left.
      ...["--users", "6000", "--spawn-rate", "3000", "--slo", "p95<2s,failures=0"],
      ...["--stack", "swarm", "--cpus", "0.02,0.5", "--memory", "128MB", "--replicas", "2"],
      ...["--repeats", "1", "--settle", "4s", "--steady", "6s", "--json"],
    );
    expect(code, output).toBe(0);
    const { trials, certificate } = JSON.parse(stdout) as ReportData;
    expect(certificate).toMatchObject({ complete: true, winner: { cpus: 0.5, replicas: 2 } });
    const [pass] = trials.filter(({ verdict }) => verdict === "pass");
    // Replicas of both nodes said what they used, as did the one gateway and the worker.
    expect(pass?.seen.service).toMatchObject({ containers: 2, cpuLimit: 1, memoryLimit: 128 });
    expect(pass?.seen.service?.cpu).toBeGreaterThan(0.02);
    expect(pass?.seen.service?.memory).toBeGreaterThan(20);
    expect(pass?.seen.gateway?.cpu).toBeGreaterThan(0.02);
    expect(pass?.seen.generator?.cpu).toBeGreaterThan(0.02);
    const [fail] = trials.filter(({ verdict }) => verdict === "fail");
    expect(fail?.limits.cpus).toBe(0.02);
    expect(fail?.cause, JSON.stringify(fail?.seen)).toBe("CPU");
    for (const { limits, verdict, took } of trials) {
      const overhead = `${Math.round(took.total - took.load)} s beside ${Math.round(took.load)} s of load`;
      report.add({ what: `a trial of 2 × ${limits.cpus} CPU: ${verdict}, ${overhead}` });
    }
    await stack.clean();
    expect(stack.tasks()).toHaveLength(2);
  });
});

describe("up and destroy, three times over", () => {
  /** Everything of the stack on any node, and every task that Swarm still knows of. */
  const left = (): string[] => [...nodes.flatMap(stack.leftovers), ...stack.rememberedTasks()];

  test("leave nothing between, and the Swarm that was there before", async () => {
    for (let round = 1; round <= 3; round++) {
      await up();
      expect(stack.tasks()).toHaveLength(3);
      await stack.destroy();
      expect(stack.leftovers(manager)).toEqual([]);
      // Workers hear of it a moment later.
      await expect.poll(left, { timeout: 60_000, interval: 500 }).toEqual([]);
      report.add({ what: `up and destroy, round ${round}: left`, sent: left().length });
    }
    expect(manager.docker("info", "-f", "{{.Swarm.LocalNodeState}}")).toBe("active");
  });
});

// The last: a node that was lost stays so.
describe("a node that is lost", () => {
  test("is found out within 3 s, costs at most what was in flight on it, and is replaced", async () => {
    await up();
    const victim = nodes.slice(1).find((node) => stack.part("service", node).length > 0) ?? manager;
    expect(victim).not.toBe(manager);
    let at = 0;
    const seen = await under("a whole node is lost", async () => {
      at = Date.now();
      victim.kill();
      const elsewhere = () => stack.tasks().filter(({ node }) => node !== victim.name).length;
      await expect.poll(elsewhere, { timeout: 90_000, interval: 1000 }).toBe(3);
    });
    const [gateway = ""] = stack.part("gateway");
    const log = execFileSync("docker", ["-H", manager.host, "logs", "-t", gateway], {
      encoding: "utf8",
    });
    const noticed = lines(log).find(
      (line) =>
        / replicas\/replica\d+ is DOWN/.test(line) && Date.parse(line.split(" ")[0] ?? "") >= at,
    );
    const detection = Date.parse(noticed?.split(" ")[0] ?? "") - at;
    report.add({ what: `the lost node was found out after ${detection} ms`, failed: lost(seen) });
    expect(detection).toBeLessThan(3000);
    // At most as many as may be in flight on one replica.
    expect(lost(seen)).toBeLessThanOrEqual(128);
  });

  test("does not keep the rest from being taken down", async () => {
    await stack.destroy();
    expect(stack.leftovers(manager)).toEqual([]);
  });
});
