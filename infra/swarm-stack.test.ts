import * as pulumi from "@pulumi/pulumi";
import { beforeEach, describe, expect, test } from "vitest";
import type { Builds } from "./builds.ts";
import { parseConfig } from "./config.ts";

interface Declared {
  readonly type: string;
  readonly name: string;
  readonly inputs: Record<string, unknown>;
  readonly provider: string;
}

let declared: Declared[] = [];

await pulumi.runtime.setMocks(
  {
    newResource: async ({ type, name, inputs, custom, provider }) => {
      // Who does not wait for the Swarm is declared before it.
      if (name === "swarm") await new Promise((resolve) => setTimeout(resolve, 50));
      if (custom !== false)
        declared.push({
          type,
          name,
          provider: provider ?? "",
          inputs: inputs as Declared["inputs"],
        });
      return {
        id: `${name}-id`,
        state: {
          ...(inputs as object),
          imageId: `sha256:${name}`,
          sha256Digest: `sha256:pushed-${name}`,
          stdout: `${name}-stdout`,
          stderr: "",
        },
      };
    },
    call: ({ inputs }) => ({ ...(inputs as object), id: "found-id" }),
  },
  "inference-stack",
  "swarm",
);
const { declareStack } = await import("./stack.ts");
const { convergeSeconds } = await import("./service-workload.ts");

const build = (part: string) => ({
  context: { dir: `/contexts/${part}`, base: "node" as const, hash: part.padEnd(64, "0") },
  base: { tag: "base:1", id: "sha256:base" },
});
const builds: Builds = {
  service: build("service"),
  gateway: build("gateway"),
  loadtest: build("loadtest"),
};

async function declare(
  values: Record<string, string> = {},
  secretKeys: string[] = [],
  startFirst = true,
  more: Partial<Builds> = {},
) {
  const config = parseConfig({
    stack: "swarm",
    values: { platform: "swarm", cpus: "0.5", replicas: "3", ...values },
    secretKeys: new Set(secretKeys),
  });
  const birth = { origin: "0a1b2c3d", engine: "ENGINE" };
  const images = { mlflow: "sha256:mlflow", s3: "sha256:s3" };
  const dependencies = config.dependencies === "deploy" ? { dependencies: images } : {};
  declareStack(
    "swarm",
    birth,
    config,
    { ...builds, ...dependencies, ...more },
    { startFirst, portHeld: false },
  );
  // Until the last resource is registered, which nothing announces.
  for (let before = -1; before !== declared.length;) {
    before = declared.length;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

interface Service {
  readonly labels: { label: string; value: string }[];
  readonly mode: unknown;
  readonly endpointSpec: unknown;
  readonly updateConfig: unknown;
  readonly rollbackConfig: unknown;
  readonly convergeConfig: unknown;
  readonly taskSpec: {
    readonly containerSpec: Record<string, unknown> & {
      readonly labels: { label: string }[];
      readonly secrets: { secretId: string; fileName: string; fileMode: number }[];
    };
    readonly networksAdvanceds: { id: string; aliases?: string[] }[];
    readonly resources: unknown;
    readonly restartPolicy: unknown;
    readonly placement: unknown;
  };
}

const of = (type: string) => declared.filter((resource) => resource.type === type);
const service = (name: string) =>
  of("docker:index/service:Service").find((one) => one.name === name)?.inputs as unknown as Service;

beforeEach(() => {
  declared = [];
});

describe("the declared swarm stack", () => {
  test("is a service of replicas and one of workers on an attachable overlay; the rest are containers", async () => {
    await declare();
    expect(
      of("docker:index/service:Service")
        .map(({ name }) => name)
        .sort(),
    ).toEqual(["inference", "loadtest-worker"]);
    expect(of("docker:index/network:Network")[0]?.inputs).toMatchObject({
      driver: "overlay",
      attachable: true,
    });
    expect(
      of("docker:index/container:Container")
        .map(({ name }) => name)
        .sort(),
    ).toEqual(["gateway-0", "listener-0", "loadtest-0"]);
  });

  test("limits each replica, and answers by its replicas' own addresses", async () => {
    await declare();
    const { mode, endpointSpec, taskSpec } = service("inference");
    expect(mode).toEqual({ replicated: { replicas: 3 } });
    expect(endpointSpec).toEqual({ mode: "dnsrr" });
    const amount = { nanoCpus: 500_000_000, memoryBytes: 256 * 1024 ** 2 };
    expect(taskSpec.resources).toEqual({ limits: amount, reservation: amount });
    expect(taskSpec.networksAdvanceds).toEqual([{ id: "network-id", aliases: ["inference"] }]);
  });

  test("rolls one by one, the new replica healthy first, and back by itself", async () => {
    await declare();
    const { updateConfig, taskSpec } = service("inference");
    expect(updateConfig).toMatchObject({
      parallelism: 1,
      order: "start-first",
      failureAction: "rollback",
    });
    expect(taskSpec.containerSpec["healthcheck"]).toBeDefined();
    expect(taskSpec.restartPolicy).toMatchObject({ condition: "any" });
    expect(taskSpec.placement).toEqual({ prefs: ["spread=node.labels.zone"] });
  });

  test("reserves on the nodes what replicas are limited to, unless told otherwise, and nothing for the rest", async () => {
    await declare({ gateways: "2", bind: "0.0.0.0" });
    for (const other of ["gateway", "loadtest-worker"]) {
      expect(service(other).taskSpec.resources).not.toHaveProperty("reservation");
    }
    declared = [];
    await declare({ overcommit: "true" });
    expect(service("inference").taskSpec.resources).not.toHaveProperty("reservation");
  });

  test("stops a replica before it starts the next where the nodes are full, and workers as ever", async () => {
    await declare({}, [], false);
    for (const way of ["updateConfig", "rollbackConfig"] as const) {
      expect(service("inference")[way]).toMatchObject({ order: "stop-first" });
      expect(service("loadtest-worker")[way]).toMatchObject({ order: "start-first" });
    }
  });

  test("waits for as many replicas as there are, each as long as it may take", async () => {
    const pace = { replicas: 3, startSeconds: 30, stopGraceSeconds: 20 };
    const each = 30 + 5 + 20 + 15;
    expect(convergeSeconds(pace)).toBe(120 + 3 * each);
    expect(convergeSeconds({ ...pace, replicas: 14 })).toBe(120 + 14 * each);
    expect(convergeSeconds({ ...pace, startSeconds: 150 })).toBe(120 + 3 * (each + 120));
    expect(convergeSeconds({ ...pace, stopGraceSeconds: 200 })).toBe(120 + 3 * (each + 180));
    // The provider waits no longer than 20 minutes for anything.
    expect(convergeSeconds({ ...pace, replicas: 32, startSeconds: 150 })).toBe(19 * 60);
    await declare();
    expect(service("inference").convergeConfig).toMatchObject({ timeout: "6m30s" });
  });

  test("makes the Swarm before any network, so that it is left last: nothing is on one then", async () => {
    await declare({ dependencies: "deploy" });
    const names = declared.map(({ name }) => name);
    for (const network of ["network", "dependencies", "relay"]) {
      expect(names.indexOf(network)).toBeGreaterThan(names.indexOf("swarm"));
    }
  });

  test("has a registry of pickles reached through a converter, and no relay beside it", async () => {
    const attached = {
      ...{ dependencies: "attach", dependencyNetwork: "proyecto2_default" },
      mlflowUrl: "http://mlflow:5000",
    };
    await declare(attached, [], true, { unpickler: "sha256:python" });
    const containers = of("docker:index/container:Container").map(({ name }) => name);
    expect(containers.filter((name) => /^(relay|converter|unpickler)/.test(name)).sort()).toEqual([
      "converter-0",
      "unpickler-0",
    ]);
    const [traffic] = of("docker:index/network:Network");
    expect(of("docker:index/network:Network")).toHaveLength(1);
    expect(traffic?.inputs).toMatchObject({ driver: "overlay", attachable: true });
    const converter = of("docker:index/container:Container").find(
      ({ name }) => name === "converter-0",
    );
    expect(converter?.inputs["networksAdvanced"]).toEqual([
      { name: traffic?.inputs["name"], aliases: ["converter"] },
      { name: "proyecto2_default" },
    ]);
    expect(service("inference").taskSpec.networksAdvanceds).toHaveLength(1);
  });

  test("hardens every task as far as Swarm has it", async () => {
    await declare();
    for (const name of ["inference", "loadtest-worker"]) {
      expect(service(name).taskSpec.containerSpec).toMatchObject({
        user: "10001:10001",
        readOnly: true,
        capDrops: ["ALL"],
      });
      expect(service(name).taskSpec.containerSpec["env"]).toBeUndefined();
    }
  });

  test("limits the processes of what it has as containers, the relay's among them", async () => {
    await declare({ dependencies: "deploy" });
    const containers = of("docker:index/container:Container").map(({ name }) => `${name}-id`);
    expect(containers.filter((id) => id.startsWith("relay-"))).toHaveLength(2);
    const limited = of("command:local:Command")
      .filter(({ inputs }) => String(inputs["create"]).includes("update --pids-limit"))
      .flatMap(({ inputs }) =>
        (inputs["environment"] as { CONTAINERS: string }).CONTAINERS.split(" "),
      );
    expect(limited.sort()).toEqual(containers.sort());
  });

  test("hands files over as secrets that only the task's user reads, under a name of their own for each content", async () => {
    await declare();
    const [settings] = service("inference").taskSpec.containerSpec.secrets;
    expect(settings).toMatchObject({
      secretId: "inference-settings.json-id",
      fileName: "/run/inference/settings.json",
      fileMode: 0o400,
    });
    const named = of("docker:index/secret:Secret").find(
      ({ name }) => name === "inference-settings.json",
    );
    expect(named?.inputs["name"]).toContain("inference-inference-settings.json-name-stdout");
    // Made anew with the content, and with nothing else.
    const madeFor = () =>
      of("command:local:Command").find(({ name }) => name === "inference-settings.json-name")
        ?.inputs["triggers"];
    const before = madeFor();
    expect(before).toBeDefined();
    declared = [];
    await declare({ cpus: "1" });
    expect(madeFor()).toEqual(before);
    declared = [];
    await declare({ deadline: "5s" });
    expect(madeFor()).not.toEqual(before);
  });

  test("labels tasks, but not as something that a state records", async () => {
    await declare();
    const { labels, taskSpec } = service("inference");
    const names = (list: { label: string }[]) => list.map(({ label }) => label).sort();
    const found = ["inference-stack.clone", "inference-stack.part", "inference-stack.stack"];
    expect(names(taskSpec.containerSpec.labels)).toEqual(found);
    expect(names(labels)).toEqual([...found, "inference-stack.declared"].sort());
  });

  test("gives nodes the registry's credentials without making them part of a service", async () => {
    await declare(
      {
        imageRepository: "http://registry.example:5000/iris",
        registryUser: "me",
        registryPassword: "hunter2",
      },
      ["registryPassword"],
    );
    const [provider] = of("pulumi:providers:docker").filter(({ name }) => name === "swarm-engine");
    expect(JSON.stringify(provider?.inputs["registryAuth"])).toMatch(
      /http:\/\/registry\.example:5000/,
    );
    for (const { inputs, provider: used } of of("docker:index/service:Service")) {
      expect(inputs["auth"]).toBeUndefined();
      expect(used).toContain("swarm-engine");
    }
    expect(service("inference").taskSpec.containerSpec["image"]).toBe(
      "registry.example:5000/iris@sha256:pushed-service",
    );
  });

  test("runs several gateways as a service, one on a node, each with its part of the load", async () => {
    await declare({ gateways: "2", bind: "0.0.0.0" });
    const gateway = service("gateway");
    expect(gateway.mode).toEqual({ replicated: { replicas: 2 } });
    expect(gateway.endpointSpec).toMatchObject({
      ports: [{ targetPort: 8080, publishedPort: 8000, publishMode: "host" }],
    });
    expect(gateway.taskSpec.placement).toMatchObject({ maxReplicas: 1 });
    expect(gateway.updateConfig).toMatchObject({ order: "stop-first" });
    // Without it a request to a node that is gone waits for its time limit.
    expect(gateway.taskSpec.containerSpec["sysctl"]).toEqual({ "net.ipv4.tcp_retries2": "2" });
    expect(gateway.taskSpec.containerSpec.secrets[0]?.fileName).toBe("/config/haproxy.cfg");
    expect(of("docker:index/container:Container").map(({ name }) => name)).toEqual(["loadtest-0"]);
  });

  test("takes no common name on somebody else's overlay, and makes no Swarm for it", async () => {
    await declare({ network: "internal_net" });
    expect(of("docker:index/network:Network")).toHaveLength(0);
    expect(of("command:local:Command").map(({ name }) => name)).not.toContain("swarm");
    const [joined] = service("inference").taskSpec.networksAdvanceds;
    expect(joined?.id).toBe("found-id");
    expect(joined?.aliases?.[0]).toMatch(/^inference-stack-identity-stdout-swarm-inference$/);
  });
});
