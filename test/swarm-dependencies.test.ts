// The swarm stack and what it does not make itself or not alone: the Swarm, MLflow and S3, networks of
// others; and several gateways and load-test workers, on two engines.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { z } from "zod";
import { baseImages } from "../toolchain/versions.mjs";
import { predicted, training } from "./support/somebodys-models.ts";
import { disagreements, type Truth } from "./support/truth.ts";
import { Report } from "./swarm-report.ts";
import { joinSwarm, type Node, swarmRig } from "./swarm-rig.ts";
import { lines, SwarmStack } from "./swarm-stack.ts";
import { sample } from "./traffic.ts";

let stack: SwarmStack;
let report: Report;
let manager: Node;
let nodes: readonly [Node, ...Node[]];

const { node: baseNode, haproxy, mlflow, minio } = baseImages;

beforeAll(async () => {
  const rig = swarmRig(2, [baseNode, haproxy, mlflow, minio]);
  stack = await SwarmStack.make("swarm-dependencies", rig, {
    cpus: "0.25",
    memory: "192MB",
    replicas: "2",
    keepData: "false",
  });
  report = new Report(stack);
  ({ manager } = stack);
  ({ nodes } = stack.rig);
});

afterAll(async () => {
  report.print();
  await stack.down();
});

const swarmState = () => manager.docker("info", "-f", "{{.Swarm.LocalNodeState}}");

/** Predicts through the gateway of a node's own address. */
function expectPrediction(url: string): void {
  const { status, text } = stack.http(`${url}/predict`, sample);
  expect(status, text).toBe(200);
  expect(text).toContain("setosa");
}

const Model = z.looseObject({ name: z.string(), version: z.string().nullish() });
const servedModel = (url: string) => Model.parse(JSON.parse(stack.http(`${url}/model`).text));

const Status = z.tuple([
  z.looseObject({
    swarm: z.object({
      nodes: z.array(z.looseObject({ name: z.string(), state: z.string(), tasks: z.number() })),
      services: z.array(
        z.looseObject({ part: z.string(), running: z.number(), replicas: z.number() }),
      ),
      tasks: z.array(
        z.looseObject({
          part: z.string(),
          node: z.string(),
          state: z.string(),
          requests: z.number().nullable(),
        }),
      ),
    }),
  }),
]);

async function status() {
  const { code, stdout, output } = await stack.run(
    ...["npm", "run", "-s", "status", "--", "-s", "swarm", "--json"],
  );
  expect(code, output).toBe(0);
  return Status.parse(JSON.parse(stdout))[0].swarm;
}

/** A short load by the stack's own workers, inside its network. Every request is answered. */
async function loadInside(): Promise<number> {
  const { code, stdout, output } = await stack.run(
    ...["npm", "run", "-s", "loadtest", "--", "--stack", "swarm", "--users", "50"],
    ...["--spawn-rate", "50", "--run-time", "6s", "--think-time", "0.2", "--json"],
  );
  // 98: the generator was short of time, which is nothing of the stack's.
  expect([0, 98], output).toContain(code);
  const [{ num_requests: sent, num_failures: failed }] = JSON.parse(stdout) as [
    { num_requests: number; num_failures: number },
  ];
  expect(failed).toBe(0);
  expect(sent).toBeGreaterThan(100);
  return sent;
}

describe("an engine in no Swarm", () => {
  test("becomes one for the stack, with MLflow and S3, and leaves it with the stack", async () => {
    await stack.upWith({ dependencies: "deploy" });
    expect(stack.tasks()).toHaveLength(2);
    const url = `http://127.0.0.1:${stack.port("apiPort")}`;
    expectPrediction(url);
    expect(servedModel(url)).toMatchObject({ name: "iris", version: "1" });
    await stack.clean();
    await stack.destroy();
    expect(swarmState()).toBe("inactive");
    expect(stack.leftovers(manager)).toEqual([]);
  });

  test("stays in it while somebody else uses it, and leaves it when nobody does any more", async () => {
    await stack.upWith({});
    manager.docker("service", "create", "-d", "--name", "foreign", "--replicas", "0", baseNode);
    await stack.destroy();
    expect(stack.leftovers(manager)).toEqual([]);
    expect(swarmState()).toBe("active");
    manager.docker("service", "rm", "foreign");
    const down = await stack.run("npm", "run", "-s", "down");
    expect(down.output).toContain("the engine left the Swarm that this stack had made");
    expect(swarmState()).toBe("inactive");
  });
});

describe("a Swarm of two nodes", () => {
  const foreign = "proyecto2_default";
  let connection: string;

  const published = () => {
    const { address, user, password } = stack.rig.registry;
    return {
      imageRepository: `http://${address}/iris`,
      registryUser: user,
      registryPassword: password,
    };
  };

  /** Somebody else's MLflow on a network of one engine, which replicas on the other cannot join. */
  beforeAll(async () => {
    joinSwarm(stack.rig.nodes);
    manager.docker("network", "create", "--subnet", "192.168.213.0/24", foreign);
    manager.docker(
      ...["run", "-d", "--name", "mlflow", "--network", foreign, "-v", "/data", "--user", "0:0"],
      ...["--cpus", "1"],
      ...["-e", "MLFLOW_SERVER_ALLOWED_HOSTS=*"],
      ...["-e", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false"],
      ...[mlflow, "python3", "-m", "mlflow", "server"],
      ...["--host", "0.0.0.0", "--workers", "1", "--serve-artifacts"],
      ...["--backend-store-uri", "sqlite:////data/mlflow.db"],
      ...["--artifacts-destination", "/data/artifacts"],
    );
    await mlflowAnswers();
    connection = join(stack.clone.dir, ".state", "connection.json");
    writeFileSync(
      connection,
      JSON.stringify({ mlflowUrl: "http://mlflow:5000", network: foreign }),
      { mode: 0o600 },
    );
    await publish();
  });

  function mlflowAnswers(): Promise<void> {
    const health = () => {
      try {
        const script =
          "exec 3<>/dev/tcp/127.0.0.1/5000 && printf 'GET /health HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' >&3";
        return manager.docker("exec", "mlflow", "bash", "-c", `${script} && cat <&3`);
      } catch {
        return "";
      }
    };
    // Not `expect.poll`, which only a test may use.
    return vi.waitFor(
      () => {
        expect(health()).toContain("200 OK");
      },
      { timeout: 180_000, interval: 1000 },
    );
  }

  async function publish(): Promise<void> {
    const { code, output } = await stack.run(
      ...["npm", "run", "-s", "model", "--", "publish", "service/models/iris", "--name", "iris"],
      ...["--connection", connection],
    );
    expect(code, output).toBe(0);
  }

  /** Has the registry's own container train models and log their pickles; what they predict. */
  function train(): Record<string, Record<string, Truth>> {
    return predicted(
      manager.docker(
        ...["exec", "-e", "MLFLOW_TRACKING_URI=http://127.0.0.1:5000", "-e", "DO_NOT_TRACK=true"],
        ...["-e", "GIT_PYTHON_REFRESH=quiet", "mlflow", "python3", "-c", training],
      ),
    );
  }

  function alias(model: string, name: string, version: string): void {
    const script = `import mlflow; mlflow.MlflowClient("http://127.0.0.1:5000").set_registered_model_alias("${model}", "${name}", "${version}")`;
    manager.docker("exec", "-e", "GIT_PYTHON_REFRESH=quiet", "mlflow", "python3", "-c", script);
  }

  const attached = () => ({
    ...published(),
    dependencies: "attach",
    dependencyNetwork: foreign,
    mlflowUrl: "http://mlflow:5000",
  });

  test("reaches an attached MLflow from every node by a relay, the one guest on its network", async () => {
    await stack.upWith(attached());
    expect(nodes.map((node) => stack.part("service", node).length)).toEqual([1, 1]);
    const url = stack.gatewayUrl();
    // Both replicas are asked, one after the other.
    for (let i = 0; i < 4; i++) expect(servedModel(url)).toMatchObject({ version: "1" });
    const [relay = ""] = stack.part("relay");
    const members = JSON.parse(
      manager.docker("network", "inspect", "-f", "{{json .Containers}}", foreign),
    ) as Record<string, { Name: string }>;
    const ids = Object.keys(members).map((id) => id.slice(0, 12));
    expect(ids.filter((id) => id !== relay)).toHaveLength(1);
    expect(ids).toContain(relay);
    await stack.clean();
  });

  test("loses no request while the attached MLflow restarts elsewhere, and follows it there", async () => {
    await stack.upWith(attached());
    const address = () =>
      manager.docker(
        ...["inspect", "-f", `{{(index .NetworkSettings.Networks "${foreign}").IPAddress}}`],
        "mlflow",
      );
    const before = address();
    const relays = stack.part("relay");
    const seen = await report.under("the attached MLflow restarts", async () => {
      manager.docker("stop", "-t", "1", "mlflow");
      // Its address is somebody else's when it comes back.
      manager.docker(
        ...["run", "-d", "--name", "squatter", "--network", foreign, "--ip", before],
        ...[baseNode, "sleep", "900"],
      );
      manager.docker("start", "mlflow");
      await mlflowAnswers();
    });
    expect(seen.failed).toEqual({});
    expect(address()).not.toBe(before);
    await publish();
    const versions = () => new Set([1, 2, 3, 4].map(() => servedModel(stack.gatewayUrl()).version));
    await expect.poll(versions, { timeout: 90_000, interval: 1000 }).toEqual(new Set(["2"]));
    expect(stack.part("relay")).toEqual(relays);
  });

  test("serves what is a pickle there on every node, and takes over what is promoted", async () => {
    const model = "iris_species";
    const truth = train()[model];
    const right = (version: string) => {
      const expected = truth?.[version];
      if (expected === undefined) throw new Error(`nobody trained a version ${version}`);
      // Replicas on either node, and each of them at least once.
      for (let i = 0; i < 6; i++) {
        const reply = stack.http(`${stack.gatewayUrl()}/predict`, expected.rows);
        expect(disagreements(reply, expected)).toEqual([]);
      }
    };
    const promote = async (version: string) => {
      const { code, stdout, output } = await stack.run(
        ...["npm", "run", "-s", "model", "--", "promote", version, "-s", "swarm", "--json"],
      );
      return { code, output, result: JSON.parse(stdout || "{}") as unknown };
    };
    alias(model, "champion", "1");
    await stack.upWith({ ...attached(), model, modelAlias: "champion" });
    expect(nodes.map((node) => stack.part("service", node).length)).toEqual([1, 1]);
    right("1");
    // Both replicas tell what they made of it.
    const served = { version: "3", state: "serves it" };
    const seen = await report.under("a pickle is promoted where the registry is", async () => {
      expect(await promote("3")).toMatchObject({
        code: 0,
        result: { served: { outcome: "served", replicas: [served, served] } },
      });
    });
    expect(seen.failed).toEqual({});
    right("3");
    const refused = { version: "3", state: "refused it" };
    expect(await promote("4")).toMatchObject({
      code: 1,
      result: { served: { outcome: "refused", replicas: [refused, refused] } },
    });
    // The registry is away, and a replica starts anew on either node.
    manager.docker("stop", "-t", "1", "mlflow");
    try {
      const before = new Set(nodes.flatMap((node) => stack.part("service", node)));
      for (const node of nodes) node.docker("kill", ...stack.part("service", node));
      const anew = () =>
        nodes.map((node) => stack.part("service", node).filter((id) => !before.has(id)).length);
      await expect.poll(anew, { timeout: 120_000, interval: 1000 }).toEqual([1, 1]);
      await expect
        .poll(() => stack.http(`${stack.gatewayUrl()}/readyz`).status, { timeout: 120_000 })
        .toBe(200);
      right("3");
    } finally {
      manager.docker("start", "mlflow");
      await mlflowAnswers();
    }
    alias(model, "champion", "3");
    await stack.clean();
  });

  test("runs a gateway on each node and workers as a service, and status tells what all of them did", async () => {
    const settings = { gateways: "2", bind: "0.0.0.0", loadtestWorkers: "2", ...published() };
    // One gateway does not become two in place: the port is held until the end of an update.
    await stack.upWith(published());
    await stack.configure(settings);
    const refused = await stack.pulumi("preview");
    expect(refused.code).not.toBe(0);
    expect(refused.output).toMatch(/gateways is 2, .*pulumi destroy/);
    await stack.destroy();
    await stack.upWith(settings);
    for (const { address } of nodes) expectPrediction(`http://${address}:${stack.port("apiPort")}`);
    expect(new Set(stack.tasks("gateway").map(({ node }) => node)).size).toBe(2);
    expect(new Set(stack.tasks("worker").map(({ node }) => node)).size).toBe(2);
    const replicas = async () => (await status()).tasks.filter(({ requests }) => requests !== null);
    const total = (tasks: { requests: number | null }[]) =>
      tasks.reduce((sum, { requests }) => sum + (requests ?? 0), 0);
    const before = total(await replicas());
    const sent = await loadInside();
    const after = await replicas();
    expect(after).toHaveLength(2);
    // Every request of the load, and no more of others than a few.
    expect(total(after) - before).toBeGreaterThanOrEqual(sent);
    const shares = after.map(({ requests }) => (requests ?? 0) / total(after));
    report.add({
      what: `2 gateways, 2 workers: ${shares.map((s) => s.toFixed(2)).join(" ")}`,
      sent,
    });
    for (const share of shares) expect(share).toBeGreaterThan(0.4);
    const { nodes: listed, services } = await status();
    expect(listed).toMatchObject([{ state: "Ready" }, { state: "Ready" }]);
    expect(services.map(({ part, running, replicas: n }) => [part, running, n]).sort()).toEqual([
      ["gateway", 2, 2],
      ["service", 2, 2],
      ["worker", 2, 2],
    ]);
    await stack.clean();
  });

  test("joins an overlay that is there, sends its load on it, and leaves it as it was", async () => {
    manager.docker("network", "create", "-d", "overlay", "--attachable", "internal_net");
    await stack.destroy();
    await stack.upWith({ network: "internal_net", ...published() });
    expectPrediction(`http://127.0.0.1:${stack.port("apiPort")}`);
    await loadInside();
    await stack.destroy();
    expect(stack.leftovers(manager)).toEqual([]);
    expect(lines(manager.docker("network", "ls", "--format", "{{.Name}}"))).toContain(
      "internal_net",
    );
    await expect
      .poll(
        () => manager.docker("network", "inspect", "-f", "{{len .Containers}}", "internal_net"),
        {
          timeout: 60_000,
        },
      )
      .toBe("0");
  });
});
