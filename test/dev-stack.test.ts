// The dev stack from a fresh clone to its last trace, on a real engine.
import { execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync, utimesSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { baseImages } from "../toolchain/versions.mjs";
import {
  bringUp,
  type Clone,
  docker,
  dockerLines,
  editState,
  freshClone,
  leftovers,
  onFreePorts,
} from "./clone.ts";
import { freePort } from "./port.ts";
import { constantTraffic, predict } from "./traffic.ts";

let clone: Clone;
let apiUrl: string;

const set = async (key: string, value: string) => {
  const { code, output } = await clone.pulumi("config", "set", key, "-s", "dev", "--", value);
  expect(output).not.toContain("error");
  expect(code).toBe(0);
};
const up = () => clone.pulumi("up", "--yes", "--skip-preview", "-s", "dev");
const preview = () => clone.pulumi("preview", "--expect-no-changes", "-s", "dev");
const gitStatus = () =>
  execFileSync("git", ["status", "--short"], { cwd: clone.dir, encoding: "utf8" });
/** Containers by part: what a change replaced shows in the ids. */
const running = () =>
  Object.fromEntries(
    ["service", "gateway", "loadtest", "worker"].map((part) => [part, clone.containers(part)]),
  );

beforeAll(async () => {
  clone = freshClone("dev");
  await onFreePorts(clone);
  execFileSync(
    "git",
    ["-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-qam", "ports"],
    {
      cwd: clone.dir,
    },
  );
});

afterAll(() => {
  clone.remove();
});

describe("from a fresh clone", () => {
  test("npm run demo ends with a prediction and a load table, and a clean work tree", async () => {
    const { code, output } = await clone.run("npm", ["run", "demo"], { CI: "true" });
    expect(output).toMatch(/200 \{.*"setosa"/);
    expect(output).toMatch(/POST\s+\/predict\s+\d+/);
    expect(code).toBe(0);
    expect(gitStatus()).toBe("");
    const outputs = await clone.pulumi("stack", "output", "--json", "-s", "dev");
    apiUrl = (JSON.parse(outputs.stdout) as { apiUrl: string }).apiUrl;
  });

  test("a preview after it changes nothing, and a refresh finds no drift", async () => {
    expect((await preview()).code).toBe(0);
    const refresh = await clone.pulumi("refresh", "--yes", "--expect-no-changes", "-s", "dev");
    expect(refresh.code).toBe(0);
  });

  test("images are a base and what runs: no npm, the service's under 80 MB above its base", () => {
    const size = (image: string) => Number(docker("image", "inspect", "-f", "{{.Size}}", image));
    const [service = ""] = clone.containers("service");
    const image = docker("inspect", "-f", "{{.Image}}", service);
    expect(size(image) - size(baseImages.node)).toBeLessThan(80e6);
    expect(docker("exec", service, "bash", "-c", "type -P npm || echo none")).toBe("none");
  });

  test("a replica is asked for the load test's token, as the host itself is not", async () => {
    const [service = ""] = clone.containers("service");
    const asked = (method: string, url: string) =>
      `fetch(${JSON.stringify(url)},{method:${JSON.stringify(method)}}).then(r=>console.log(r.status))`;
    const inside = (method: string, path: string) =>
      docker("exec", service, "node", "-e", asked(method, `http://loadtest:8089${path}`));
    expect(inside("POST", "/swarm")).toBe("401");
    expect(inside("GET", "/stats/requests")).toBe("401");
    const { stdout } = await clone.pulumi("stack", "output", "loadtestUrl", "-s", "dev");
    expect((await fetch(`${stdout.trim()}/stats/requests`)).status).toBe(200);
  });

  test("npm run status tells parts, limits, health, networks and requests", async () => {
    const { code, stdout } = await clone.run("npm", [
      "run",
      "-s",
      "status",
      "--",
      "-s",
      "dev",
      "--json",
    ]);
    expect(code).toBe(0);
    const [stack] = JSON.parse(stdout) as [
      {
        containers: {
          part: string;
          state: string;
          cpus: number;
          memory: number;
          requests: number | null;
        }[];
        networks: { members: string[] }[];
      },
    ];
    const service = stack.containers.find(({ part }) => part === "service");
    expect(service).toMatchObject({ state: "running, healthy", cpus: 1, memory: 256 });
    expect(service?.requests).toBeGreaterThan(0);
    expect(stack.containers.map(({ part }) => part).sort()).toEqual(
      expect.arrayContaining(["gateway", "loadtest", "service", "worker"]),
    );
    expect(stack.networks[0]?.members).toHaveLength(stack.containers.length);
    const text = await clone.run("npm", ["run", "-s", "status"]);
    expect(text.stdout).toMatch(/service\s+inference-0\S*\s+running, healthy\s+1\s+256MB/);
  });
});

/** Starts processes until it is refused one, says why, and keeps them until its input ends. */
const bomb = `
  $| = 1;
  my ($said, @children) = "never refused";
  for (1 .. 500) {
    my $child = fork;
    if (not defined $child) { $said = $!; last }
    exec "sleep", "600" if not $child;
    push @children, $child;
  }
  print "$said\\n";
  <STDIN>;
  kill KILL => @children;
  waitpid $_, 0 for @children;
`;

describe("processes", () => {
  const parts = ["service", "gateway", "listener", "loadtest", "worker"];
  const one = (part: string) => clone.containers(part)[0] ?? "";
  const starts = (part: string) => docker("exec", one(part), "sh", "-c", "echo started");
  /** How often the kernel refused each part one. */
  const refusals = () => {
    const files = "/sys/fs/cgroup/pids.events /sys/fs/cgroup/pids/pids.events";
    return Object.fromEntries(
      parts.map((part) => [
        part,
        docker("exec", one(part), "sh", "-c", `cat ${files} 2> /dev/null || true`),
      ]),
    );
  };
  const none = Object.fromEntries(parts.map((part) => [part, "max 0"]));

  test("are limited in every container, to more than the demonstration's load needs", () => {
    const mine = ["--filter", `label=inference-stack.clone=${clone.id}`];
    const limits = dockerLines(
      ...["inspect", "-f", "{{.HostConfig.PidsLimit}}"],
      ...dockerLines("ps", "-q", ...mine),
    );
    expect(limits).toHaveLength(parts.length);
    for (const limit of limits) expect(Number(limit)).toBeGreaterThan(0);
    expect(refusals()).toEqual(none);
  });

  test("without end are refused within one replica, and everybody goes on", async () => {
    const service = one("service");
    const child = spawn("docker", ["exec", "-i", service, "perl", "-e", bomb], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    try {
      const [said] = (await once(createInterface(child.stdout), "line")) as [string];
      expect(said).toBe("Resource temporarily unavailable");
      for (const part of parts.slice(1)) expect(starts(part)).toBe("started");
      const { stdout } = await clone.pulumi("stack", "output", "loadtestUrl", "-s", "dev");
      expect((await fetch(stdout.trim())).status).toBe(200);
      expect((await predict(apiUrl)).status).toBe(200);
    } finally {
      child.stdin.end();
    }
    expect(await once(child, "exit")).toEqual([0, null]);
    expect(starts("service")).toBe("started");
    expect((await predict(apiUrl)).status).toBe(200);
    expect(clone.containers("service")).toEqual([service]);
    expect(docker("inspect", "-f", "{{.RestartCount}}", service)).toBe("0");
    expect(refusals()).toEqual({ ...none, service: expect.stringMatching(/^max [1-9]/) as string });
  });
});

describe("while requests come in", () => {
  test("other limits replace only the service, and lose no request", async () => {
    const before = running();
    await set("cpus", "0.25");
    await set("memory", "128MB");
    const traffic = constantTraffic(apiUrl);
    const { code } = await up();
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const { sent, failures } = await traffic.stop();
    expect(code).toBe(0);
    expect(failures).toEqual([]);
    expect(sent).toBeGreaterThan(200);

    const after = running();
    expect({ ...after, service: [] }).toEqual({ ...before, service: [] });
    expect(after["service"]).toHaveLength(1);
    expect(after["service"]).not.toEqual(before["service"]);
    const { NanoCpus, Memory, MemorySwap, PidsLimit } = JSON.parse(
      docker("inspect", "-f", "{{json .HostConfig}}", after["service"]?.[0] ?? ""),
    ) as Record<string, number>;
    expect({ NanoCpus, Memory, MemorySwap, PidsLimit }).toEqual({
      NanoCpus: 250_000_000,
      Memory: 128 * 1024 ** 2,
      MemorySwap: 128 * 1024 ** 2,
      PidsLimit: 192,
    });
  });

  test("an edited line of the service rebuilds its image alone, and rolls it without a loss", async () => {
    const before = running();
    const file = join(clone.dir, "service", "main.ts");
    utimesSync(file, new Date(), new Date());
    expect((await preview()).code).toBe(0);

    writeFileSync(file, `${readFileSync(file, "utf8")}\nprocess.title = "edited";\n`);
    const traffic = constantTraffic(apiUrl);
    const { code } = await up();
    await new Promise((resolve) => setTimeout(resolve, 2000));
    expect(await traffic.stop()).toMatchObject({ failures: [] });
    expect(code).toBe(0);
    const after = running();
    expect(after["service"]).not.toEqual(before["service"]);
    expect({ ...after, service: [] }).toEqual({ ...before, service: [] });
  });
});

describe("bad input changes nothing and is named in one sentence", () => {
  test.each([
    ["cpus", "0"],
    ["cpus", "512"],
    ["memory", "banana"],
    ["memroy", "256MB"],
    ["network", "no-such-network"],
  ])("%s=%s", async (key, value) => {
    const before = running();
    const old = await clone.pulumi("config", "get", key, "-s", "dev");
    await set(key, value);
    const { code, output } = await up();
    if (old.code === 0) await set(key, old.stdout.trim());
    else await clone.pulumi("config", "rm", key, "-s", "dev");
    expect(code).not.toBe(0);
    expect(output).toContain(key);
    expect(output).not.toMatch(/^\s+at .*\.ts:/m);
    expect(running()).toEqual(before);
  });

  test("a port in use", async () => {
    const before = running();
    const port = await freePort();
    const server = createServer().listen(port, "127.0.0.1");
    const old = await clone.pulumi("config", "get", "apiPort", "-s", "dev");
    await set("apiPort", String(port));
    const { code, output } = await up();
    await set("apiPort", old.stdout.trim());
    server.close();
    expect(code).not.toBe(0);
    expect(output).toContain(`apiPort is ${port}, but something else listens there`);
    expect(running()).toEqual(before);
  });

  test("no Docker engine", async () => {
    const { code, output } = await clone.run(
      join(clone.dir, "node_modules", ".bin", "pulumi"),
      ["preview", "--non-interactive", "-s", "dev"],
      { DOCKER_HOST: "unix:///nowhere/docker.sock" },
    );
    expect(code).not.toBe(0);
    expect(output).toContain("no Docker engine answers at unix:///nowhere/docker.sock");
  });
});

describe("an existing network", () => {
  test("is joined for traffic, and left as it was", async () => {
    const name = `testnet-${clone.id}`;
    docker("network", "create", name);
    try {
      await set("network", name);
      expect((await up()).code).toBe(0);
      expect((await predict(apiUrl)).status).toBe(200);
      const members = JSON.parse(
        docker("network", "inspect", "-f", "{{json .Containers}}", name),
      ) as Record<string, unknown>;
      expect(Object.keys(members)).toEqual(expect.arrayContaining(clone.containers("service")));
      await clone.pulumi("config", "rm", "network", "-s", "dev");
      expect((await up()).code).toBe(0);
      expect(docker("network", "inspect", "-f", "{{len .Containers}}", name)).toBe("0");
    } finally {
      docker("network", "rm", name);
    }
  });
});

describe("a stack of an earlier version", () => {
  // It had the folder's name, as all stacks of the folder, and its gateway published the port itself.
  test("is taken over by one up, and nothing of another stack with its name is touched", async () => {
    const name = clone.id;
    const run = (stack: string, ...more: string[]) =>
      docker(
        ...["run", "-d", "--label", `inference-stack.clone=${name}`],
        ...[
          "--label",
          `inference-stack.stack=${stack}`,
          "--label",
          "inference-stack.declared=true",
        ],
        ...[...more, "--entrypoint", "sleep", baseImages.node, "600"],
      );
    const other = run("other");
    try {
      docker("rm", "-f", "-v", ...clone.containers("listener"), ...clone.containers("gateway"));
      const port = Number(new URL(apiUrl).port);
      const gateway = run("dev", "-p", `127.0.0.1:${port}:8080`);
      const ports = [{ external: port, internal: 8080, ip: "127.0.0.1", protocol: "tcp" }];
      editState(clone, ["identity", "listener-0"], (resource) => {
        if (!resource.urn.endsWith("::gateway-0")) return resource;
        const { inputs, outputs } = resource;
        // The provider's own note of what it was recorded from.
        delete outputs?.["__pulumi_raw_state_delta"];
        return {
          ...{ ...resource, id: gateway, inputs: { ...inputs, ports } },
          outputs: { ...outputs, id: gateway, ports },
        };
      });
      const { code, output } = await up();
      expect(code, output).toBe(0);
      expect((await predict(apiUrl)).status).toBe(200);
      expect(clone.id).not.toBe(name);
      expect(docker("inspect", "-f", "{{.State.Running}}", other)).toBe("true");
      expect(leftovers(name)).toEqual([other.slice(0, 12)]);
      expect((await preview()).code).toBe(0);
    } finally {
      docker("rm", "-f", "-v", other);
    }
  });
});

describe("the end", () => {
  test("pulumi destroy leaves nothing", async () => {
    const { code } = await clone.pulumi("destroy", "--yes", "--skip-preview", "-s", "dev");
    expect(code).toBe(0);
    expect(leftovers(clone.id)).toEqual([]);
  });

  test("npm run down leaves nothing, even of what no state knows", async () => {
    // Data that a stack of an earlier version kept is found by what it was called.
    const folder = createHash("sha256").update(clone.dir).digest("hex").slice(0, 8);
    const kept = ["--label", `inference-stack.clone=${folder}`, "--label"];
    docker("volume", "create", ...kept, "inference-stack.stack=dev");
    const made = await bringUp(clone, "-s", "dev");
    expect(made.code, made.output).toBe(0);
    expect(clone.id).toBe(folder);
    docker(
      ...["run", "-d", "--label", `inference-stack.clone=${clone.id}`, "--entrypoint", "sleep"],
      ...[
        dockerLines("images", "-q", "--filter", `label=inference-stack.clone=${clone.id}`)[0] ?? "",
        "600",
      ],
    );
    const { code, output } = await clone.run("npm", ["run", "-s", "down"]);
    expect(output).toContain("nothing of this clone's stacks is left");
    expect(code).toBe(0);
    expect(leftovers(clone.id)).toEqual([]);
  });
});
