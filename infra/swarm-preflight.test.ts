import { expect, test } from "vitest";
import type { InspectedTask } from "./status-swarm.ts";
import { leftBy } from "./swarm-nodes.ts";
import {
  checkGateways,
  checkOverlay,
  checkRoom,
  checkSwarm,
  type SwarmFacts,
  swapDevices,
} from "./swarm-preflight.ts";

const engine: SwarmFacts = { state: "inactive", manager: false, nodes: [], swap: [] };
const swarm = { ...engine, state: "active", manager: true };
const noRegistry = { imageRepository: undefined };
const registry = { imageRepository: "host:5000/iris" };

test("an engine in no Swarm, or the only node of one, needs no registry", () => {
  expect(() => {
    checkSwarm("swarm", noRegistry, engine);
    checkSwarm("swarm", noRegistry, { ...swarm, nodes: ["a"] });
  }).not.toThrow();
});

test("more nodes need a registry, and are named", () => {
  const nodes = ["a", "b", "c"];
  expect(() => {
    checkSwarm("swarm", noRegistry, { ...swarm, nodes });
  }).toThrow(/the Swarm has 3 nodes \(a, b, c\), but imageRepository is not set/);
  expect(() => {
    checkSwarm("swarm", registry, { ...swarm, nodes });
  }).not.toThrow();
});

test("a worker node is refused: it cannot manage services", () => {
  expect(() => {
    checkSwarm("swarm", registry, { ...swarm, manager: false });
  }).toThrow(/Set DOCKER_HOST to the address of a manager/);
});

test("a machine that swaps is refused", () => {
  const text = "Filename\t\tType\t\tSize\t\tUsed\t\tPriority\n/dev/sdb1 partition 1024 0 -2\n";
  expect(swapDevices(text)).toEqual(["/dev/sdb1"]);
  expect(swapDevices("Filename\tType\tSize\tUsed\tPriority\n")).toEqual([]);
  expect(() => {
    checkSwarm("swarm", registry, { ...swarm, swap: swapDevices(text) });
  }).toThrow(/swaps to \/dev\/sdb1/);
});

test("a network that Swarm services cannot join is refused, and an attachable overlay is not", () => {
  expect(() => {
    checkOverlay("testnet", { Driver: "bridge", Attachable: false });
  }).toThrow(/network is testnet, which is a bridge network/);
  expect(() => {
    checkOverlay("testnet", { Driver: "overlay", Attachable: false });
  }).toThrow(/not attachable/);
  expect(() => {
    checkOverlay("testnet", { Driver: "overlay", Attachable: true });
  }).not.toThrow();
});

const node = (name: string, cpus: number, memory: number) => ({ id: name, name, cpus, memory });
const asked = { cpus: 0.5, memory: 256, replicas: 3, gateways: 1, overcommit: false };
const check = (change: Partial<typeof asked>, left: ReturnType<typeof node>[], all = left) =>
  checkRoom("swarm", { ...asked, ...change }, { all, left });

test("an update starts a replica first where the nodes have room for one more", () => {
  const nodes = [node("a", 2, 24_000)];
  expect(check({}, nodes)).toBe(true);
  expect(check({ replicas: 4 }, nodes)).toBe(false);
  expect(check({ cpus: 2, replicas: 1 }, nodes)).toBe(false);
  // 0.1 ten times is one, whatever a sum of floating point numbers says.
  expect(check({ cpus: 0.1, replicas: 19 }, nodes)).toBe(true);
});

test("more replicas than the nodes hold are refused: with what is asked, what there is and what to do", () => {
  const nodes = [node("a", 2, 24_000), node("b", 4, 24_000)];
  expect(() => check({ cpus: 1.5 }, nodes)).not.toThrow();
  expect(() => check({ cpus: 1.5, replicas: 4 }, nodes)).toThrow(
    /replicas is 4, each of 1.5 CPU and 256MB, .* room for 3\. .*a 2 CPU and 24000MB; b 4 CPU .*`npx pulumi config set replicas 3 -s swarm`/,
  );
  expect(() => check({ cpus: 0.1, memory: 8000, replicas: 7 }, nodes)).toThrow(/room for 6/);
  expect(check({ cpus: 1.5, replicas: 4, overcommit: true }, nodes)).toBe(true);
});

test("a replica is judged by the nodes: one has to be as large, whatever the manager is", () => {
  expect(() =>
    check({ cpus: 3, replicas: 1 }, [node("a", 2, 900), node("b", 4, 900)]),
  ).not.toThrow();
  for (const overcommit of [false, true]) {
    expect(() => check({ cpus: 3, overcommit }, [node("a", 2, 900), node("b", 2, 900)])).toThrow(
      /limits are 3 CPU and 256MB, but no node .* as large\. There is: a 2 CPU and 900MB/,
    );
    expect(() => check({ memory: 1000, overcommit }, [node("a", 2, 900)])).toThrow(/as large/);
  }
  expect(() => check({}, [])).toThrow(/no node of the Swarm takes replicas/);
});

test("gateways need a node each", () => {
  expect(() => check({ gateways: 2 }, [node("a", 8, 900)])).toThrow(
    /gateways is 2, .*config set gateways 1 -s swarm/,
  );
  expect(() => check({ gateways: 2 }, [node("a", 8, 900), node("b", 8, 900)])).not.toThrow();
});

test("what others reserve on a node is not there for replicas", () => {
  const all = [node("a", 2, 2000), node("b", 2, 2000)];
  const held = (NodeID: string, DesiredState: string, NanoCPUs: number): InspectedTask => ({
    ...{ ID: "t", ServiceID: "s", NodeID, DesiredState },
    Status: { State: "running", Timestamp: "" },
    Spec: { Resources: { Reservations: { NanoCPUs, MemoryBytes: 100 * 1024 ** 2 } } },
  });
  const left = leftBy([held("a", "running", 1.2e9), held("b", "shutdown", 1e9)], all);
  expect(left).toMatchObject([
    { name: "a", cpus: 0.8, memory: 1900 },
    { name: "b", cpus: 2, memory: 2000 },
  ]);
  expect(() => check({ replicas: 6 }, left, all)).toThrow(/room for 5.*a 0.8 CPU and 1900MB/);
  const full = leftBy([held("a", "running", 2e9)], [node("a", 2, 2000)]);
  expect(() => check({}, full, all)).toThrow(
    /room for 0\..*reserve: a 0 CPU and 1900MB\. Set less/,
  );
});

test("one gateway does not become several, or several one, while it holds the port", () => {
  const check = (gateways: number, running: "container" | "service" | undefined) => () => {
    checkGateways("swarm", { gateways }, running);
  };
  for (const fine of [check(2, "service"), check(3, undefined), check(1, "container")]) {
    expect(fine).not.toThrow();
  }
  expect(check(2, "container")).toThrow(/gateways is 2, which is a service, .*pulumi destroy/);
  expect(check(1, "service")).toThrow(/what runs now is a service and holds apiPort/);
});
