import { expect, test } from "vitest";
import {
  checkGateways,
  checkOverlay,
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
