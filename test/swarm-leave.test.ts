// When an engine leaves the Swarm that a stack had made, and what becomes of those beside it: an engine
// that leaves forgets the names of all containers on networks that people made. One engine of its own.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { joinScript, leaveScript, runMembership } from "../infra/swarm-membership.ts";
import { label } from "../toolchain/clone.mjs";
import { baseImages } from "../toolchain/versions.mjs";
import { freePort } from "./port.ts";
import { type Node, swarmRig } from "./swarm-rig.ts";
import { SwarmStack } from "./swarm-stack.ts";
import { sample } from "./traffic.ts";

let stack: SwarmStack;
let engine: Node;

beforeAll(async () => {
  stack = await SwarmStack.make("swarm-leave", swarmRig(1, [baseImages.node, baseImages.haproxy]), {
    cpus: "0.25",
    memory: "128MB",
    replicas: "2",
  });
  engine = stack.manager;
});

afterAll(() => stack.down());

const swarmState = () => engine.docker("info", "-f", "{{.Swarm.LocalNodeState}}");

/** Somebody's container that does nothing. */
const run = (name: string, ...options: string[]) =>
  engine.docker("run", "-d", "--name", name, ...options, baseImages.node, "sleep", "infinity");

/** The address of a name, as a container is told it; none where it is told none. */
function resolve(from: string, name: string): string {
  const lookUp = `getent hosts ${name} || true`;
  return engine.docker("exec", from, "sh", "-c", lookUp).split(" ")[0] ?? "";
}

function predicts(port: string): void {
  const { status, text } = stack.http(`http://127.0.0.1:${port}/predict`, sample);
  expect(status, text).toBe(200);
}

describe("a Swarm that a stack had made", () => {
  const neighbours = ["one", "two"];
  const environment = () => ({ DOCKER_HOST: engine.host, LABEL: "made.by", OWNER: "this stack" });
  const join = (owner = "this stack") =>
    runMembership(joinScript, { ...environment(), OWNER: owner });
  const leave = () => runMembership(leaveScript, environment());

  beforeAll(() => {
    for (const name of ["shop", "bar"]) engine.docker("network", "create", name);
  });

  afterAll(() => {
    engine.docker("network", "rm", "shop", "bar");
  });

  /** What runs on the engine, and whether it would suffer if the engine left the Swarm. */
  const cases: readonly [what: string, suffers: boolean, make: () => unknown][] = [
    ["nobody", false, () => undefined],
    ["a container on the default bridge", false, () => run("one")],
    ["one on the host's network", false, () => run("one", "--network", "host")],
    ["one without a network", false, () => run("one", "--network", "none")],
    [
      "a stopped one on a network that somebody made",
      false,
      () => {
        run("one", "--network", "shop");
        engine.docker("kill", "one");
      },
    ],
    ["one on a network that somebody made", true, () => run("one", "--network", "shop")],
    [
      "one that is paused",
      true,
      () => {
        run("one", "--network", "shop");
        engine.docker("pause", "one");
      },
    ],
    [
      "one that joined such networks later",
      true,
      () => {
        run("one");
        for (const name of ["shop", "bar"]) engine.docker("network", "connect", name, "one");
      },
    ],
    [
      "one in the network of another",
      true,
      () => {
        run("one", "--network", "shop");
        run("two", "--network", "container:one");
      },
    ],
    [
      "one that keeps ending and starting",
      true,
      () => run("one", "--network", "shop", "--restart", "always", "--entrypoint", "false"),
    ],
  ];

  test("is made once, and known as made for as long as it is there", () => {
    expect(join()).toBe("made\n");
    expect(join()).toBe("made\n");
    expect(join("another stack")).toBe("found\n");
    leave();
    engine.docker("swarm", "init", "--advertise-addr", "127.0.0.1");
    expect(join()).toBe("found\n");
    expect(leave()).toBe("");
    expect(swarmState()).toBe("active");
    engine.docker("swarm", "leave", "--force");
  });

  test.each(cases)("beside %s: is it kept? %s", (_, suffers, make) => {
    join();
    try {
      make();
      const said = leave();
      expect(swarmState()).toBe(suffers ? "active" : "inactive");
      if (!suffers) {
        expect(said).toBe("the engine left the Swarm that this stack had made\n");
        return;
      }
      expect(said).toMatch(/ {2}container one on (shop|bar)\n/);
      // The command that it gives for later.
      const [, host, command = ""] = /gone: docker -H (\S+) (.*)\n$/.exec(said) ?? [];
      expect(host).toBe(engine.host);
      engine.docker(...command.split(" "));
      expect(swarmState()).toBe("inactive");
    } finally {
      for (const name of neighbours) {
        try {
          engine.docker("rm", "-f", name);
        } catch {
          // This case has none of that name.
        }
      }
    }
  });
});

test("a Swarm stack that is destroyed takes nothing from others on its engine, and down leaves when it may", async () => {
  engine.docker("network", "create", "neighbour_default");
  for (const name of ["web", "db"]) run(name, "--network", "neighbour_default");
  await stack.upWith();
  const [apiPort, loadtestPort] = [String(await freePort()), String(await freePort())];
  const own = { cpus: "0.25", memory: "128MB", apiPort, loadtestPort };
  const config = Object.entries(own).map(([key, value]) => [`inference-stack:${key}`, value]);
  const settings = stringify({ config: Object.fromEntries(config) as unknown });
  writeFileSync(join(stack.clone.dir, "Pulumi.dev.yaml"), settings);
  const dev = await stack.pulumiOf("dev", "up", "--yes", "--skip-preview");
  expect(dev.code, dev.output).toBe(0);

  const identity = stack.clone.identity("swarm") ?? "";
  const before = resolve("web", "db");
  expect(before).toMatch(/^172\./);
  const load = stack.load(20, 4, `http://127.0.0.1:${apiPort}/predict`);
  const { code, output } = await stack.pulumi("destroy", "--yes", "--skip-preview");
  // A gateway asks for its replicas' names every second.
  await sleep(5000);
  const seen = await load.stop();
  expect(code, output).toBe(0);
  expect(resolve("web", "db")).toBe(before);
  expect(resolve("db", "web")).toMatch(/^172\./);
  predicts(apiPort);
  expect(seen.failed).toEqual({});
  expect(seen.sent).toBeGreaterThan(20);
  expect(output).toMatch(/container web on neighbour_default/);
  expect(output).toMatch(/container gateway-0-\w+ on inference-stack-/);
  expect(swarmState()).toBe("active");

  // Somebody leaves all the same: whoever lost its name is found again after an up.
  engine.docker("swarm", "leave", "--force");
  const mended = await stack.pulumiOf("dev", "up", "--yes", "--skip-preview");
  expect(mended.code, mended.output).toBe(0);
  predicts(apiPort);
  runMembership(joinScript, { DOCKER_HOST: engine.host, LABEL: label.swarm, OWNER: identity });

  // The clone's own containers are no reason to stay: they go first.
  for (const name of ["web", "db"]) engine.docker("rm", "-f", name);
  engine.docker("network", "rm", "neighbour_default");
  const down = await stack.run("npm", "run", "-s", "down");
  expect(down.output).toContain("the engine left the Swarm that this stack had made");
  expect(swarmState()).toBe("inactive");
  expect(stack.leftovers(engine)).toEqual([]);
});

test("a Swarm that was left by hand is made again by one up, with all that it had", async () => {
  await stack.destroy();
  await stack.upWith();
  engine.docker("network", "create", "side");
  const labels = [`clone=${stack.clone.identity("swarm") ?? ""}`, "stack=swarm"].flatMap(
    (label) => [...["--label", `inference-stack.${label}`]],
  );
  // As MLflow and its store, on a network of this engine.
  for (const name of ["left", "right"]) run(name, "--network", "side", ...labels);
  engine.docker("swarm", "leave", "--force");
  const preview = await stack.pulumi("preview");
  expect(preview.output).toMatch(/gone from the engine .*, with its Swarm/);
  expect(swarmState()).toBe("inactive");
  const { code, output } = await stack.up();
  expect(output).toMatch(/had left the Swarm .*: it is one again/);
  expect(code, output).toBe(0);
  expect(resolve("left", "right")).toMatch(/^172\./);
  for (const name of ["left", "right"]) engine.docker("rm", "-f", name);
  predicts(stack.port("apiPort"));
  await stack.clean();
  const refresh = await stack.pulumi("refresh", "--yes", "--expect-no-changes");
  expect(refresh.code, refresh.output).toBe(0);
  engine.docker("network", "rm", "side");
  await stack.destroy();
  expect(swarmState()).toBe("inactive");
});

test("replicas that fill the nodes are replaced in turns, none of their requests lost, and more are refused", async () => {
  // Four of them are the whole engine, whatever its size.
  const cpus = String(Number(engine.docker("info", "-f", "{{.NCPU}}")) / 4);
  await stack.upWith({ cpus, replicas: "3" });
  const order = () =>
    engine.docker("service", "inspect", stack.serviceName(), "-f", "{{.Spec.UpdateConfig.Order}}");
  expect(order()).toBe("start-first");
  await stack.configure({ cpus, replicas: "4" });
  const grown = await stack.up();
  expect(grown.code, grown.output).toBe(0);
  expect(grown.output).toMatch(/4 replicas fill the Swarm's nodes/);
  expect(stack.tasks()).toHaveLength(4);
  expect(order()).toBe("stop-first");

  const load = stack.load(50);
  await stack.upWith({ cpus, replicas: "4", deadline: "8s" });
  expect((await load.stop()).failed).toEqual({});
  expect(stack.tasks()).toHaveLength(4);
  await stack.clean();

  await stack.configure({ cpus, replicas: "5" });
  const refused = await stack.pulumi("preview");
  expect(refused.code).not.toBe(0);
  expect(refused.output).toMatch(
    /replicas is 5, .* room for 4\. .*config set replicas 4 -s swarm/s,
  );
  await stack.configure({ cpus, replicas: "5", overcommit: "true" });
  const shared = await stack.up();
  expect(shared.code, shared.output).toBe(0);
  expect(stack.tasks()).toHaveLength(5);
  const down = await stack.run("npm", "run", "-s", "down");
  expect(down.code, down.output).toBe(0);
  expect(swarmState()).toBe("inactive");
});
